// The members of the network, and the accounts that each keeps.

import { get } from "./api.js";
import { accountsTable } from "./accounts.js";
import { el, heading, panel, table } from "./dom.js";
import { count, said, visible } from "./format.js";
import { refusal } from "./refusals.js";

const PAGE = 100;

const COLUMNS = [
  { title: "Member", cell: (member) => el("a", { href: `#/members/${encodeURIComponent(member.member)}` }, visible(member.member)) },
  { title: "Legal name", kind: "text", cell: (member) => said(member.legal_name) },
  { title: "LEI", cell: (member) => el("span", { class: "id" }, visible(member.lei)) },
  { title: "Roles", cell: (member) => member.roles.map((role) => el("span", { class: "tag" }, visible(role))) },
  { title: "Officers", cell: (member) => `${count(member.officers.threshold)} of ${count(member.officers.keys.length)}` },
];

export async function show(root, { id, signal }) {
  const page = await get("v1/audit/members", { limit: 1000 }, signal);
  root.append(heading("Members"), panel("Register", { id: "members", note: count(page.items.length) },
    table("Members of the network", COLUMNS, page.items)));
  if (id === null) return;
  const place = el("div", {});
  root.append(panel(`Accounts of ${visible(id)}`, { id: "member-accounts" }, place));
  try {
    await accountsTable(place, { member: id, limit: PAGE }, signal);
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(refusal(error));
  }
}
