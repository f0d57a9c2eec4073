// An account in the middle, those it deals with around it; lines are as thick as what they carried.

import { el, svg } from "./dom.js";
import { short } from "./format.js";
import { market } from "./market.js";

const SHOWN = 12;
const SIZE = 360;
const RADIUS = 128;
const THICKEST = 9;

// The neighbours graph of an account from its flows, the largest first.
export function neighbours(account, flows) {
  const around = new Map();
  for (const flow of flows) {
    const other = flow.debit === account ? flow.credit : flow.debit;
    if (other === account) continue;
    if (!around.has(other)) around.set(other, { out: [], in: [], size: 0 });
    const known = around.get(other);
    known[flow.debit === account ? "out" : "in"].push(flow);
    known.size += Number(flow.amount); // a length on the screen: every figure in words stays exact
  }
  const shown = [...around].slice(0, SHOWN);
  const most = Math.max(1, ...shown.map(([, known]) => known.size));
  const middle = SIZE / 2;
  const parts = shown.map(([other, known], index) => {
    const angle = (2 * Math.PI * index) / shown.length - Math.PI / 2;
    const x = middle + RADIUS * Math.cos(angle);
    const y = middle + RADIUS * Math.sin(angle);
    const words = [...known.out.map((flow) => `receives ${market.money(flow.amount, flow.asset)}`),
      ...known.in.map((flow) => `sends ${market.money(flow.amount, flow.asset)}`)].join(", ");
    const line = svg("line", { x1: middle, y1: middle, x2: x, y2: y, class: known.out.length === 0 ? "in" : known.in.length === 0 ? "out" : "both",
      "stroke-width": 1 + (THICKEST - 1) * Math.sqrt(known.size / most) });
    const link = svg("a", { href: `#/accounts/${encodeURIComponent(other)}`, "aria-label": `${other} ${words}` },
      svg("title", {}, `${other}\n${words}`),
      svg("circle", { cx: x, cy: y, r: 9 }),
      svg("text", { x, y: y + (y >= middle ? 24 : -15), "text-anchor": "middle" }, short(other, 6, 4)));
    return [line, link];
  });
  return el("figure", { class: "graph" },
    svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group", "aria-label": `Accounts that deal with ${short(account)}` },
      parts.map(([line]) => line), svg("circle", { cx: middle, cy: middle, r: 13, class: "self" }), parts.map(([, link]) => link)),
    el("figcaption", { class: "muted" },
      el("span", { class: "key out" }), " paid to ", el("span", { class: "key in" }), " received from ", el("span", { class: "key both" }), " both",
      around.size > SHOWN ? ` · the largest ${SHOWN} of ${around.size}` : ""));
}
