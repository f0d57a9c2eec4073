// The accounts of the market, found by member, kind, status, beginning of the id, or alerts.

import { get } from "./api.js";
import { choice, el, field, heading, panel, table } from "./dom.js";
import { accountLink, count, moment, visible } from "./format.js";
import { market } from "./market.js";
import { refusal } from "./refusals.js";

const PAGE = 50;
const KINDS = ["user", "institution", "innovator", "treasury"];

const COLUMNS = [
  { title: "Account", cell: (account) => accountLink(account.account) },
  { title: "Member", cell: (account) => el("a", { href: `#/members/${encodeURIComponent(account.member)}` }, visible(account.member)) },
  { title: "Kind", cell: (account) => account.kind },
  { title: "Status", cell: (account) => statusTag(account.status) },
  { title: "Balances", kind: "number", cell: (account) => account.balances.map((held) => el("div", {}, market.money(held.amount, held.asset))) },
  { title: "Last activity", cell: (account) => (account.last_time ? moment(account.last_time) : "–") },
  { title: "Alerts", kind: "number", cell: (account) => count(account.alerts) },
];

export function statusTag(status) {
  return el("span", { class: `tag ${status === "frozen" ? "critical" : ""}` }, status);
}

// Put a table of accounts into a place, with a button for more.
export async function accountsTable(place, asked, signal) {
  const items = [];
  const more = el("button", { type: "button", class: "quiet" }, "More");
  const load = async (cursor) => {
    const page = await get("v1/audit/accounts", { ...asked, cursor }, signal);
    items.push(...page.items);
    more.hidden = page.next_cursor === null;
    more.onclick = () => load(page.next_cursor).catch((error) => place.append(refusal(error)));
    place.replaceChildren(table("Accounts", COLUMNS, items, { empty: "No such account." }), more);
  };
  await load(null);
}

export async function show(root, { query, signal }) {
  const text = el("input", { name: "text", placeholder: "sun1…", spellcheck: "false", autocomplete: "off", value: query.get("text") ?? "" });
  const kind = choice("kind", [["", "all"], ...KINDS.map((one) => [one, one])], "");
  const status = choice("status", [["", "all"], ["active", "active"], ["frozen", "frozen"], ["closed", "closed"]], "");
  const warned = choice("has_alerts", [["", "all"], ["true", "with alerts"], ["false", "without"]], "");
  const found = el("div", {});
  const search = async () => {
    const asked = { text: text.value.trim().toLowerCase(), kind: kind.value, status: status.value, has_alerts: warned.value, limit: PAGE };
    try {
      await accountsTable(found, asked, signal);
    } catch (error) {
      if (!signal.aborted) found.replaceChildren(refusal(error));
    }
  };
  root.append(heading("Accounts"), panel("Search", { id: "accounts" },
    el("form", { class: "filters", "aria-label": "Search", submit: (event) => {
      event.preventDefault();
      search();
    } }, field("Id begins with", text), field("Kind", kind), field("Status", status), field("Alerts", warned),
    el("button", { type: "submit" }, "Search")), found));
  await search();
}
