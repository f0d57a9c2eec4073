// The market right now: finality, blocks as they become final, payments, the newest alerts, supply.

import { get, oneAtATime } from "./api.js";
import { alertsList, severityTag } from "./alerts_list.js";
import { asOf, isPast } from "./as_of.js";
import { el, heading, panel, svg, table } from "./dom.js";
import { accountLink, clock, count, moment, said, score, short, transactionLink, visible } from "./format.js";
import { BLOCKS_KEPT, market } from "./market.js";
import { refusal } from "./refusals.js";

const BLOCKS_SHOWN = 12;
const ALERTS_SHOWN = 6;

const BLOCK_COLUMNS = [
  { title: "Height", kind: "number", cell: (block) => count(block.height) },
  { title: "Time", cell: (block) => clock(block.time) },
  { title: "Sealer", cell: (block) => visible(block.sealer) },
  { title: "Transactions", kind: "number", cell: (block) => count(block.transactions.length) },
  { title: "Hash", kind: "spare", cell: (block) => el("span", { class: "id", title: block.hash }, short(block.hash)) },
];

const PAYMENT_COLUMNS = [
  { title: "Time", cell: ({ transaction }) => moment(transaction.time) },
  { title: "Transaction", cell: ({ transaction }) => transactionLink(transaction.txid) },
  { title: "From", cell: ({ leg }) => accountLink(leg?.debit) },
  { title: "To", cell: ({ leg }) => accountLink(leg?.credit) },
  { title: "Amount", kind: "number", cell: ({ leg }) => (leg ? market.money(leg.amount, leg.asset) : "–") },
  { title: "Reference", kind: "text", cell: ({ transaction, leg, more }) => [
    said(transaction.body.reference || leg?.reference || (leg ? "" : transaction.body.kind.replace("_", " "))),
    more > 0 ? el("span", { class: "muted" }, ` and ${count(more)} more legs`) : null,
  ] },
];

function payments() {
  return market.recent.map((transaction) => ({
    transaction, leg: transaction.body.legs[0], more: transaction.body.legs.length - 1,
  }));
}

function figures() {
  const { status } = market;
  const figure = (id, term, value, below, tone = "") => el("div", { class: `figure ${tone}`, id },
    el("dt", {}, term), el("dd", {}, value, el("span", { class: "note" }, below)));
  const final = market.finalHeight;
  const head = Math.max(status.head.height, final);
  return el("dl", { class: "figures" },
    figure("figure-final", "Final block", count(final), `head ${count(head)}, ${head - final} ahead`),
    figure("figure-finality", "Finality", status.finality, "a final block is never undone", status.finality === "live" ? "good" : "bad"),
    figure("figure-head", "Head", status.head_safe ? "safe" : "unsafe", "vouched for by enough members", status.head_safe ? "good" : "bad"),
    figure("figure-peers", "Peers", count(status.peers), status.syncing ? "syncing" : "in step"),
    figure("figure-mempool", "Waiting", count(status.mempool.transactions), "transactions in the mempool"),
    figure("figure-alerts", "Alerts", `${count(market.alerts.length)}${market.older === null ? "" : "+"}`,
      status.analytics ? `searched to block ${count(status.analytics.detection_height)}` : "no analytics at this node"),
  );
}

// Transactions a block, oldest left: the pulse of the market.
function pulse() {
  const blocks = [...market.blocks].reverse();
  const most = Math.max(1, ...blocks.map((block) => block.transactions.length));
  const bars = blocks.map((block, index) => {
    const height = Math.max(1, (block.transactions.length / most) * 36);
    return svg("rect", { x: index * 10, y: 38 - height, width: 8, height, rx: 1 },
      svg("title", {}, `block ${block.height}: ${block.transactions.length} transactions`));
  });
  return svg("svg", { class: "pulse", viewBox: `0 0 ${Math.max(1, blocks.length) * 10} 40`, preserveAspectRatio: "none",
    role: "img", "aria-label": `Transactions in the last ${blocks.length} final blocks, at most ${most}` }, bars);
}

export async function show(root, { signal }) {
  const state = el("div", {});
  const bars = el("div", {});
  const blocks = el("div", { class: "scroll" });
  const paid = el("div", { class: "scroll" });
  const alerts = el("div", {});
  const supply = el("div", {});
  const nodes = el("div", {});
  const risk = el("div", {});
  root.append(heading("Overview"), state, el("div", { class: "grid" },
    el("div", { class: "column" },
      panel("Final blocks", { id: "blocks" }, bars, blocks),
      panel("Nodes", { id: "nodes", note: `by what they sealed of the last ${count(BLOCKS_KEPT)} final blocks` }, nodes)),
    el("div", { class: "column" },
      panel("Alerts", { id: "alerts-live" }, alerts),
      panel("Risk", { id: "risk", note: "of the market and of its members, assessed once a day" }, risk),
      panel("Supply", { id: "supply", note: "at the last final block" }, supply)),
    panel("Transactions in final blocks", { id: "payments", wide: true }, paid)));

  let sealers = [];
  const showNodes = () => keepingFocus(nodes, () => nodes.replaceChildren(
    table("Nodes of the network", NODE_COLUMNS, sealers.map(sealedBy), { empty: "No member seals blocks." })));
  const loadSealers = async () => {
    const page = await get("v1/audit/members", { limit: 1000 }, signal);
    sealers = page.items.filter((one) => one.roles.includes("sealer"));
    showNodes();
  };
  const showStatus = () => market.status && state.replaceChildren(figures());
  const showBlocks = () => {
    showStatus();
    bars.replaceChildren(pulse());
    showNodes();
    blocks.replaceChildren(table("Final blocks, newest first", BLOCK_COLUMNS, market.blocks.slice(0, BLOCKS_SHOWN)));
    keepingFocus(paid, () => paid.replaceChildren(table("Transactions in final blocks, newest first", PAYMENT_COLUMNS, payments())));
  };
  const showAlerts = () => keepingFocus(alerts, () => alerts.replaceChildren(
    market.alertsProblem === null ? alertsList(market.alerts.slice(0, ALERTS_SHOWN)) : refusal(market.alertsProblem)));
  const showSupply = oneAtATime(async () => {
    const page = await get("v1/audit/supply", { limit: 1000 }, signal);
    supply.replaceChildren(table("Supply of each asset", SUPPLY_COLUMNS, page.items));
  });
  const showRisk = oneAtATime(async () => {
    try {
      const { market: whole, members, at_height: height, at_time: time } = await get("v1/audit/risk", {}, signal);
      const scores = [...(whole === null ? [] : [whole]), ...members];
      risk.replaceChildren(...(isPast(time) ? [asOf(height, time)] : []), table("Risk of the market and of its members", RISK_COLUMNS, scores, { empty: "No score so far." }));
    } catch (error) {
      if (!signal.aborted) risk.replaceChildren(refusal(error));
    }
  });
  market.addEventListener("status", showStatus, { signal });
  market.addEventListener("blocks", () => {
    showBlocks();
    if (market.blocks[0]?.transactions.length) {
      showSupply().catch(() => {});
      showRisk();
    }
  }, { signal });
  market.addEventListener("alerts", () => {
    showAlerts();
    showRisk();
  }, { signal });
  market.addEventListener("assets", showBlocks, { signal });
  showStatus();
  showBlocks();
  showAlerts();
  await Promise.all([showSupply(), showRisk(), loadSealers()]);
}

// What a member's node sealed of the blocks that the page holds.
function sealedBy(member) {
  const sealed = market.blocks.filter((block) => block.sealer === member.member);
  return { member: member.member, last: sealed[0] ?? null, sealed: sealed.length };
}

const NODE_COLUMNS = [
  { title: "Member", cell: (node) => [
    el("a", { href: `#/members/${encodeURIComponent(node.member)}` }, visible(node.member)),
    node.member === market.status?.member ? el("span", { class: "note" }, "this node") : null] },
  { title: "Sealed", kind: "number", cell: (node) => (node.sealed === 0
    ? el("span", { class: "tag warn" }, "none") : `${count(node.sealed)} of ${count(market.blocks.length)}`) },
  { title: "Last block", kind: "number", cell: (node) => (node.last === null ? "–" : count(node.last.height)) },
  { title: "At", cell: (node) => (node.last === null ? "–" : clock(node.last.time)) },
];

const SUPPLY_COLUMNS = [
  { title: "Asset", cell: (asset) => [asset.asset, " ", el("span", { class: "muted" }, said(asset.name))] },
  { title: "Issuer", cell: (asset) => visible(asset.issuer) },
  { title: "Supply", kind: "number", cell: (asset) => market.money(asset.supply, asset.asset) },
  { title: "At genesis", kind: "number", cell: (asset) => market.money(asset.genesis_supply, asset.asset) },
];

const RISK_COLUMNS = [
  { title: "Subject", cell: (one) => (one.subject === "market" ? "the market"
    : el("a", { href: `#/members/${encodeURIComponent(one.subject)}` }, visible(one.subject))) },
  { title: "Band", cell: (one) => severityTag(one.band) },
  { title: "Score", kind: "number", cell: (one) => score(one.score) },
  { title: "Assessed", cell: (one) => moment(one.time) },
  { title: "Most of it", kind: "text", cell: (one) => {
    const [most] = [...one.contributions].sort((a, b) => b.contribution - a.contribution);
    return most ? said(most.text) : "–";
  } },
];

// Rows that move must not take the keyboard's place with them.
function keepingFocus(part, change) {
  const held = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  change();
  if (held !== null) part.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
}

