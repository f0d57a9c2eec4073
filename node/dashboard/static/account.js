// One account: what it holds, what it did, what was said of it, and whom it deals with.

import { get } from "./api.js";
import { statusTag } from "./accounts.js";
import { alertsList, severityTag } from "./alerts_list.js";
import { asOf } from "./as_of.js";
import { axis, colour, draw } from "./charts.js";
import { el, facts, heading, panel, table } from "./dom.js";
import { accountLink, count, label, moment, said, score, visible } from "./format.js";
import { market } from "./market.js";
import { legsTable } from "./movements.js";
import { neighbours } from "./neighbours.js";
import { reasonBars } from "./reasons.js";
import { refusal } from "./refusals.js";

const HISTORY = 50;
const ALERTS = 200;
const ANOMALIES = 5;
const FLOWS = 200;

const BALANCE_COLUMNS = [
  { title: "Asset", cell: (balance) => balance.asset },
  { title: "Posted", kind: "number", cell: (balance) => market.money(balance.posted, balance.asset) },
  { title: "Held", kind: "number", cell: (balance) => market.money(balance.held, balance.asset) },
  { title: "Available", kind: "number", cell: (balance) => market.money(balance.available, balance.asset) },
];

const FLOW_COLUMNS = [
  { title: "From", cell: (flow) => accountLink(flow.debit) },
  { title: "To", cell: (flow) => accountLink(flow.credit) },
  { title: "Payments", kind: "number", cell: (flow) => count(flow.legs) },
  { title: "Amount", kind: "number", cell: (flow) => market.money(flow.amount, flow.asset) },
];

export async function show(root, { id, signal }) {
  const account = await get(`v1/accounts/${encodeURIComponent(id)}`, {}, signal);
  const history = el("div", {});
  const alerts = el("div", {});
  const risk = el("div", {});
  const around = el("div", {});
  root.append(heading("Account", el("span", { class: "id whole" }, account.account)), el("div", { class: "grid" },
    el("div", { class: "column" }, panel("Account", { id: "account" }, facts([
      ["Member", el("a", { href: `#/members/${encodeURIComponent(account.member)}` }, visible(account.member))],
      ["Kind", account.kind],
      ["Status", statusTag(account.status)],
      ["Opened", `block ${count(account.opened_height)}`],
      ["Keys", `${count(account.keys.threshold)} of ${count(account.keys.keys.length)} sign`],
      ["As of", `final block ${count(account.height)}`],
    ]), table("Balances", BALANCE_COLUMNS, account.balances, { empty: "It holds nothing." })),
      panel("Alerts", { id: "account-alerts" }, alerts)),
    panel("Risk", { id: "risk" }, risk),
    panel("Whom it deals with", { id: "neighbours", wide: true }, around),
    panel("History, newest first", { id: "history", wide: true }, history)));
  await Promise.all([
    part(history, signal, () => showHistory(history, account.account, signal)),
    part(alerts, signal, () => showAlerts(alerts, account.account, signal)),
    part(risk, signal, () => showRisk(risk, account.account, signal)),
    part(around, signal, () => showNeighbours(around, account.account, signal)),
  ]);
}

// A part that the node refuses says so in its own place; the others go on.
async function part(place, signal, load) {
  if (!place.hasChildNodes()) place.append(el("p", { class: "muted" }, "Loading…"));
  try {
    await load();
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(refusal(error));
  }
}

async function showHistory(place, account, signal) {
  const items = [];
  const more = el("button", { type: "button", class: "quiet" }, "More");
  const load = async (cursor) => {
    const page = await get("v1/audit/transactions", { account, limit: HISTORY, cursor }, signal);
    items.push(...page.items);
    more.hidden = page.next_cursor === null;
    more.onclick = () => part(place, signal, () => load(page.next_cursor));
    place.replaceChildren(legsTable(items, account), more);
  };
  await load(null);
}

async function showAlerts(place, account, signal) {
  const page = await get("v1/audit/alerts", { account, limit: ALERTS }, signal);
  market.remember(page.items);
  place.replaceChildren(alertsList(page.items, null, "No alert about this account."));
}

// The score, what it is made of, and the scores before it.
async function showRisk(place, account, signal) {
  const risk = await get(`v1/audit/accounts/${encodeURIComponent(account)}/risk`, {}, signal);
  const chart = el("div", { class: "chart small", id: "account-scores" });
  place.replaceChildren(asOf(risk.at_height, risk.at_time), facts([
    ["Score", el("b", { id: "risk-score" }, score(risk.score))],
    ["Band", severityTag(risk.band)],
    ["Segment", visible(risk.segment)],
    ["Made at", `block ${count(risk.height)}, ${visible(risk.model)}`],
  ]), chart, el("h3", {}, "Reasons"), reasonBars(risk.contributions, risk.score), ...anomalies(risk.anomalies));
  const past = [...risk.history].reverse();
  // A score holds until the next one: the line goes on to the block that all of this is of.
  if (past.length > 0) past.push({ ...past.at(-1), time: risk.at_time });
  const summary = `Risk score over time, ${risk.history.length} scores, and ${risk.anomalies.length} anomaly scores`;
  await draw(chart, summary, () => ({
    data: [
      scoreTrace("risk", past, { mode: "lines+markers", line: { shape: "hv", color: colour("accent") } }),
      scoreTrace("anomaly", risk.anomalies, { mode: "markers", marker: { symbol: "diamond", size: 8, color: colour("high") } }),
    ],
    layout: {
      xaxis: axis("", { type: "date" }), yaxis: axis("score", { range: [0, 1.05] }), margin: { l: 44, r: 12, t: 28, b: 32 },
      showlegend: true, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    },
  }), signal);
}

function scoreTrace(name, scores, style) {
  return {
    type: "scatter", name, ...style, x: scores.map((one) => one.time), y: scores.map((one) => one.score),
    text: scores.map((one) => label(`block ${one.height}, ${one.band}, ${one.model}`)),
    hovertemplate: "%{text}<br>%{y:.2f}<extra></extra>",
  };
}

const ANOMALY_COLUMNS = [
  { title: "Time", cell: (one) => moment(one.time) },
  { title: "Block", kind: "number", cell: (one) => count(one.height) },
  { title: "Score", kind: "number", cell: (one) => score(one.score) },
  { title: "Why", kind: "text", cell: (one) => said(one.contributions.slice(0, 2).map((part) => part.text).join("; ")) },
];

// How far its days were from its habits; a day of which nothing was written was near them.
function anomalies(scores) {
  if (scores.length === 0) return [el("p", { class: "muted" }, "No day of its own stood out from its habits so far.")];
  return [el("h3", {}, "Anomaly: days unlike its habits"), el("div", { class: "scroll" },
    table("Anomaly scores, newest first", ANOMALY_COLUMNS, scores.slice(0, ANOMALIES)))];
}

async function showNeighbours(place, account, signal) {
  const page = await get("v1/audit/flows", { level: "account", account, limit: FLOWS }, signal);
  if (page.items.length === 0) {
    place.replaceChildren(el("p", { class: "muted" }, "No payment so far."));
    return;
  }
  place.replaceChildren(el("div", { class: "beside" }, neighbours(account, page.items), el("div", { class: "scroll" },
    table("Flows of this account, the largest first", FLOW_COLUMNS, page.items))),
  ...(page.next_cursor === null ? [] : [el("p", { class: "muted" }, `The largest ${count(FLOWS)} are shown.`)]));
}
