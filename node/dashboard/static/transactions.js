// Search of the chain's transactions, and one transaction with all that it says.

import { get } from "./api.js";
import { choice, el, facts, field, heading, panel, table } from "./dom.js";
import { accountLink, count, moment, said, units, visible } from "./format.js";
import { market } from "./market.js";
import { legsTable } from "./movements.js";

const PAGE = 50;
const KINDS = ["transfer", "issue", "redeem", "open_account", "govern", "attest"];

export async function show(root, { query, signal }) {
  const account = el("input", { name: "account", value: query.get("account") ?? "", placeholder: "sun1…", spellcheck: "false", autocomplete: "off" });
  const kind = choice("kind", [["", "all"], ...KINDS.map((one) => [one, one.replace("_", " ")])], query.get("kind") ?? "");
  const asset = choice("asset", [["", "all"], ...[...market.assets.keys()].map((one) => [one, one])], query.get("asset") ?? "");
  const least = el("input", { name: "least", inputmode: "decimal", size: "12", value: query.get("least") ?? "", placeholder: "0.00" });
  const fault = el("p", { class: "fault", role: "alert" });
  const found = el("div", {});
  const more = el("button", { type: "button", class: "quiet", hidden: true }, "More");
  root.append(heading("Transactions"), panel("Search, newest first", { id: "transactions" },
    el("form", { class: "filters", "aria-label": "Search", submit: (event) => {
      event.preventDefault();
      search();
    } }, field("Account", account), field("Asset", asset), field("Kind", kind), field("At least", least),
    el("button", { type: "submit" }, "Search")), fault, found, more));

  const search = async () => {
    fault.textContent = "";
    const min_amount = leastUnits(least.value, asset.value, fault);
    if (min_amount === undefined) return;
    const asked = { account: account.value.trim(), kind: kind.value, asset: asset.value, min_amount, limit: PAGE };
    const items = [];
    const load = async (cursor) => {
      try {
        const page = await get("v1/audit/transactions", { ...asked, cursor }, signal);
        items.push(...page.items);
        found.replaceChildren(legsTable(items, asked.account || null));
        more.hidden = page.next_cursor === null;
        more.onclick = () => load(page.next_cursor);
      } catch (error) {
        if (!signal.aborted) fault.textContent = visible([error.message, ...(error.fields ?? []).map((one) => one.message)].join(" "));
      }
    };
    await load(null);
  };
  await search();
}

// Smallest units of the least amount; null for none, undefined where the text is no amount.
function leastUnits(text, asset, fault) {
  if (text.trim() === "") return null;
  if (asset === "") {
    fault.textContent = "An amount is one of an asset: choose the asset too.";
    return undefined;
  }
  const value = units(text, market.assets.get(asset).decimals);
  if (value !== null) return value;
  fault.textContent = "Write the amount in digits, for instance 9,500.00.";
  return undefined;
}

export async function showOne(root, { id, signal }) {
  const transaction = await get(`v1/transactions/${encodeURIComponent(id)}`, {}, signal);
  const { body } = transaction;
  root.append(heading("Transaction", el("span", { class: "id whole" }, transaction.txid)),
    panel("Where it stands", { id: "transaction" }, facts([
      ["Status", el("span", { class: `tag ${transaction.status}` }, transaction.status)],
      ["Block", transaction.height === null ? "none" : `${count(transaction.height)}, place ${count(transaction.index)}`],
      ["Time", transaction.time === null ? "–" : moment(transaction.time)],
      ["Confirmations", count(transaction.confirmations)],
      ...(body ? [
        ["Kind", body.kind.replace("_", " ")],
        ["Reference", el("span", { id: "reference" }, said(body.reference))],
        ["Valid", `blocks ${count(body.valid_from)} to ${count(body.valid_until)}`],
        ["Signatures", count(body.signatures.length)],
      ] : []),
      ...(transaction.code ? [["Refused with", el("code", {}, transaction.code)]] : []),
    ])));
  if (!body) return;
  if (body.legs.length > 0) root.append(panel("Movements", { id: "legs", note: count(body.legs.length) }, legsTable([transaction])));
  if (body.opened) root.append(panel("Opens", { id: "opened" }, facts([
    ["Account", accountLink(body.opened.account)], ["Member", visible(body.opened.member)], ["Kind", body.opened.kind]])));
  if (body.measures) root.append(panel("Measures", { id: "measures" }, table("Measures", MEASURE_COLUMNS, body.measures)));
  if (body.attested) root.append(panel("Attests", { id: "attested" }, facts([
    ["Member", visible(body.attested.member)], ["Kind", body.attested.kind.replace("_", " ")],
    ["Subject", el("span", { id: "subject" }, said(body.attested.subject))], ["Revision", count(body.attested.revision)],
    ["SHA-256", el("span", { class: "id whole" }, body.attested.sha256)]])));
  root.append(el("details", { class: "panel" }, el("summary", {}, "As the API gives it"),
    el("pre", { tabindex: "0" }, visible(JSON.stringify(transaction, null, 2)).replaceAll("\\u{a}", "\n"))));
}

const MEASURE_COLUMNS = [
  { title: "Measure", cell: (measure) => measure.measure },
  { title: "Account", cell: (measure) => accountLink(measure.account) },
  { title: "Reason", cell: (measure) => said(measure.reason) },
  { title: "Case", cell: (measure) => said(measure.case) },
];
