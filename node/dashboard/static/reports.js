// The reports: daily activity, members, typologies, concentration, over a period; and as CSV.

import { get, saveBlob } from "./api.js";
import { severityTag, typologyName } from "./alerts_list.js";
import { choice, el, field, heading, panel, table } from "./dom.js";
import { accountLink, count, percent, said, score, visible } from "./format.js";
import { market } from "./market.js";
import { refusal } from "./refusals.js";

const counted = (title, name) => ({ title, kind: "number", cell: (row) => count(row[name]) });
const money = (title, name) => ({ title, kind: "number", cell: (row) => (row.asset === null ? "–" : market.money(row[name], row.asset)) });
const asset = { title: "Asset", cell: (row) => row.asset ?? "–" };

const REPORTS = {
  "daily-activity": { title: "Daily activity", columns: [
    { title: "Day", cell: (row) => row.day }, asset, counted("Transactions", "transactions"), counted("Legs", "legs"),
    money("Amount", "amount"), counted("Payers", "payers"), counted("Payees", "payees")] },
  members: { title: "Members", columns: [
    { title: "Member", cell: (row) => el("a", { href: `#/members/${encodeURIComponent(row.member)}` }, visible(row.member)) },
    { title: "Name", kind: "text", cell: (row) => said(row.name) }, asset, counted("Accounts", "accounts"), counted("Alerts", "alerts"),
    money("Paid", "paid"), money("Received", "received"), money("Balance", "balance")] },
  typologies: { title: "Alerts by pattern", columns: [
    { title: "Pattern", cell: (row) => typologyName(row.typology) }, { title: "Severity", cell: (row) => severityTag(row.severity) },
    counted("Alerts", "alerts"), counted("Accounts", "accounts"),
    { title: "Mean score", kind: "number", cell: (row) => score(row.score_mean) },
    { title: "Highest", kind: "number", cell: (row) => score(row.score_max) }] },
  concentration: { title: "Concentration of holdings", columns: [
    { title: "Holders are", cell: (row) => `${row.level}s` }, asset, counted("Holders", "holders"), money("Total", "total"),
    { title: "Largest", cell: (row) => (row.level === "account" ? accountLink(row.largest) : visible(row.largest)) },
    { title: "Its share", kind: "number", cell: (row) => percent(row.largest_share) },
    { title: "Ten largest", kind: "number", cell: (row) => percent(row.top10_share) },
    { title: "Herfindahl", kind: "number", cell: (row) => Number(row.herfindahl).toFixed(4) }] },
};

export async function show(root, { id, signal }) {
  const name = id in REPORTS ? id : "daily-activity";
  const report = choice("report", Object.entries(REPORTS).map(([one, { title }]) => [one, title]), name);
  const since = el("input", { type: "date", name: "since" });
  const until = el("input", { type: "date", name: "until" });
  const place = el("div", {});
  const load = async () => {
    place.replaceChildren(el("p", { class: "muted" }, "Loading…"));
    try {
      const asked = { since: since.value && `${since.value}T00:00:00.000Z`, until: until.value && `${until.value}T23:59:59.999Z` };
      showRows(place, await get(`v1/audit/reports/${report.value}`, asked, signal));
    } catch (error) {
      if (!signal.aborted) place.replaceChildren(refusal(error));
    }
  };
  for (const control of [report, since, until]) control.addEventListener("change", load);
  root.append(heading("Reports"), panel("Over a period", { id: "reports" },
    el("form", { class: "filters", "aria-label": "Which report", submit: (event) => event.preventDefault() },
      field("Report", report), field("From day", since), field("To day", until)), place));
  await load();
}

function showRows(place, answer) {
  const told = `To final block ${count(answer.height)}${answer.truncated ? "; there are more rows than are shown" : ""}.`;
  place.replaceChildren(
    el("div", { class: "scroll" }, table(REPORTS[answer.report].title, REPORTS[answer.report].columns, answer.rows, { empty: "Nothing in this period." })),
    el("p", { class: "muted" }, told),
    el("button", { type: "button", class: "quiet", click: () => saveBlob(`${answer.report}.csv`, csv(answer.rows)) }, "Save as CSV"));
}

// RFC 4180, amounts in smallest units; what a spreadsheet would take for a formula begins with an apostrophe.
function csv(rows) {
  const names = Object.keys(rows[0] ?? {});
  const cell = (value) => {
    const text = value === null ? "" : String(value).replace(/^(?=[=+\-@\t\r])/, typeof value === "string" ? "'" : "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [names, ...rows.map((row) => names.map((name) => row[name]))];
  return new Blob([lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("")], { type: "text/csv" });
}
