// What transactions moved, a row a leg.

import { table } from "./dom.js";
import { accountLink, moment, said, transactionLink } from "./format.js";
import { market } from "./market.js";

const LEG_COLUMNS = [
  { title: "Time", cell: ({ transaction }) => (transaction.time ? moment(transaction.time) : "–") },
  { title: "Transaction", cell: ({ transaction }) => transactionLink(transaction.txid) },
  { title: "From", cell: ({ leg }) => accountLink(leg?.debit) },
  { title: "To", cell: ({ leg }) => accountLink(leg?.credit) },
  { title: "Amount", kind: "number", cell: ({ leg }) => (leg ? market.money(leg.amount, leg.asset) : "–") },
  { title: "Reference", kind: "text", cell: ({ transaction, leg }) => said(leg?.reference || transaction.body?.reference || "") },
];

// The movements of transactions, a row each; of an account's only those that touch it.
export function legsTable(transactions, account = null) {
  const rows = transactions.flatMap((transaction) => {
    const legs = transaction.body?.legs ?? [];
    const own = account === null ? legs : legs.filter((leg) => leg.debit === account || leg.credit === account);
    return own.length > 0 ? own.map((leg) => ({ transaction, leg })) : [{ transaction, leg: legs[0] }];
  });
  return table("Movements", LEG_COLUMNS, rows);
}
