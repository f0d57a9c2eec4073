// How much went from which member to which, and between which of their accounts.

import { get } from "./api.js";
import { asOf } from "./as_of.js";
import { colour, draw } from "./charts.js";
import { choice, el, field, heading, panel, table } from "./dom.js";
import { accountLink, count, label, visible } from "./format.js";
import { market } from "./market.js";

const PAGE = 200;
const CHART_ROW_PX = 46;
const PERIODS = [["", "all time"], ["1", "last hour"], ["24", "last 24 hours"], ["168", "last 7 days"], ["720", "last 30 days"]];
const HOUR_MS = 3_600_000;

export async function show(root, { query, signal }) {
  if (market.assets.size === 0) await market.loadAssets();
  const asset = query.get("asset") ?? [...market.assets.keys()][0] ?? "";
  const hours = query.get("hours") ?? "";
  const [member, counterparty] = [query.get("member"), query.get("counterparty")];
  const assets = choice("asset", [...market.assets.keys()].map((one) => [one, one]), asset);
  const periods = choice("hours", PERIODS, hours);
  const go = (changed) => {
    location.hash = `#/flows?${new URLSearchParams({ asset: assets.value, hours: periods.value, ...changed })}`;
  };
  assets.addEventListener("change", () => go({}));
  periods.addEventListener("change", () => go({}));
  root.append(heading("Flows", el("form", { class: "filters", "aria-label": "What is shown", submit: (event) => event.preventDefault() },
    field("Asset", assets), field("Period", periods))));
  const from = hours === "" ? null : await get("v1/audit/risk", {}, signal);
  const asked = { asset, since: since(hours, from?.at_time), limit: PAGE };
  const flows = await get("v1/audit/flows", { ...asked, level: "member" }, signal);
  const chart = el("div", { class: "chart", id: "sankey" }, el("p", { class: "muted" }, "Loading…"));
  root.append(panel("Between members", { id: "flows", note: `to final block ${count(flows.height)}` },
    from === null ? null : asOf(from.at_height, from.at_time),
    flows.items.length > 0 ? chart : null,
    table("Flows between members, the largest first", memberColumns(asset, hours), flows.items, { empty: "No payment in this period." })));
  if (member !== null && counterparty !== null) {
    await showAccounts(root, { ...asked, level: "account", member, counterparty }, signal);
  }
  if (flows.items.length > 0) await drawSankey(chart, flows.items, (one) => go({ member: one.debit_member, counterparty: one.credit_member }), signal);
}

// A period is counted back from the block that the other panels are of, in the chain's own time.
function since(hours, end) {
  return end === undefined ? null : new Date(Date.parse(end) - Number(hours) * HOUR_MS).toISOString();
}

function memberColumns(asset, hours) {
  const link = (flow) => `#/flows?${new URLSearchParams({ asset, hours, member: flow.debit_member, counterparty: flow.credit_member })}`;
  return [
    { title: "From", cell: (flow) => visible(flow.debit_member) },
    { title: "To", cell: (flow) => visible(flow.credit_member) },
    { title: "Payments", kind: "number", cell: (flow) => count(flow.legs) },
    { title: "Amount", kind: "number", cell: (flow) => market.money(flow.amount, flow.asset) },
    { title: "Accounts", cell: (flow) => el("a", { href: link(flow), "aria-label": `Accounts from ${flow.debit_member} to ${flow.credit_member}` }, "accounts") },
  ];
}

const ACCOUNT_COLUMNS = [
  { title: "From", cell: (flow) => [accountLink(flow.debit), " ", el("span", { class: "muted" }, visible(flow.debit_member))] },
  { title: "To", cell: (flow) => [accountLink(flow.credit), " ", el("span", { class: "muted" }, visible(flow.credit_member))] },
  { title: "Payments", kind: "number", cell: (flow) => count(flow.legs) },
  { title: "Amount", kind: "number", cell: (flow) => market.money(flow.amount, flow.asset) },
];

async function showAccounts(root, asked, signal) {
  const flows = await get("v1/audit/flows", asked, signal);
  const title = `Accounts of ${visible(asked.member)} and ${visible(asked.counterparty)}`;
  const part = panel(title, { id: "account-flows", note: flows.next_cursor === null ? count(flows.items.length) : `the largest ${count(PAGE)}` },
    table(title, ACCOUNT_COLUMNS, flows.items));
  root.append(part);
  part.scrollIntoView({ block: "nearest" });
}

// Where the middle of each member is, 0 to 1 from the top: what it moved is its height.
function middles(members, flows, side) {
  const moved = members.map((member) => flows.reduce((sum, flow) => sum + (flow[side] === member ? Number(flow.amount) : 0), 0));
  const whole = moved.reduce((sum, one) => sum + one, 0) || 1;
  let above = 0;
  return moved.map((one) => {
    above += one;
    return Math.min(0.999, Math.max(0.001, (above - one / 2) / whole));
  });
}

// Payers left, payees right: a member that pays itself, or is paid back, makes no loop.
async function drawSankey(place, flows, choose, signal) {
  const payers = [...new Set(flows.map((flow) => flow.debit_member))].sort();
  const payees = [...new Set(flows.map((flow) => flow.credit_member))].sort();
  const shades = ["accent", "good", "medium", "high", "critical"];
  const all = [...new Set([...payers, ...payees])].sort();
  const shade = (member) => colour(shades[all.indexOf(member) % shades.length]);
  place.style.setProperty("height", `${Math.max(240, CHART_ROW_PX * Math.max(payers.length, payees.length) + 60)}px`);
  await draw(place, `Flows between ${payers.length} paying and ${payees.length} paid members; the table below has the figures`, () => ({
    data: [{
      type: "sankey",
      arrangement: "fixed",
      node: {
        label: [...payers, ...payees].map(label), pad: 18, thickness: 14, line: { width: 0 },
        color: [...payers, ...payees].map(shade),
        x: [...payers.map(() => 0.001), ...payees.map(() => 0.999)],
        y: [...middles(payers, flows, "debit_member"), ...middles(payees, flows, "credit_member")],
        hovertemplate: "%{label}<extra></extra>",
      },
      link: {
        source: flows.map((flow) => payers.indexOf(flow.debit_member)),
        target: flows.map((flow) => payers.length + payees.indexOf(flow.credit_member)),
        value: flows.map((flow) => Number(flow.amount)), // widths; the words below are exact
        customdata: flows.map((flow) => label(market.money(flow.amount, flow.asset))),
        color: flows.map((flow) => `${shade(flow.debit_member)}55`),
        hovertemplate: "%{source.label} to %{target.label}<br>%{customdata}<extra></extra>",
      },
    }],
    layout: { margin: { l: 8, r: 8, t: 12, b: 12 } },
  }), signal);
  place.on("plotly_click", ({ points: [point] }) => {
    if (point.source !== undefined) choose(flows[point.pointNumber ?? point.index]);
  });
}
