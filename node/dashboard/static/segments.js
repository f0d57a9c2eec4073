// Groups of accounts by what they do, how risky each group is, and its riskiest accounts.

import { get } from "./api.js";
import { severityTag } from "./alerts_list.js";
import { asOf } from "./as_of.js";
import { el, heading, panel, table } from "./dom.js";
import { accountLink, count, score, visible } from "./format.js";

const COLUMNS = [
  { title: "Segment", cell: (one) => el("b", {}, visible(one.segment)) },
  { title: "What its accounts do", kind: "text", cell: (one) => visible(one.description) },
  { title: "Accounts", kind: "number", cell: (one) => count(one.accounts) },
  { title: "At risk", kind: "number", cell: (one) => count(one.at_risk) },
  { title: "Mean score", kind: "number", cell: (one) => (one.accounts > 0 ? score(one.mean_score) : "–") },
  { title: "Riskiest", cell: (one) => (one.examples.length === 0 ? "–"
    : one.examples.map((account) => el("div", {}, accountLink(account.account), " ", severityTag(account.band), score(account.score)))) },
];

// Numbers of a feature over all segments, so that groups can be compared with each other.
function medianColumns(segments) {
  return [
    { title: "Feature, median", cell: (feature) => visible(feature).replaceAll("_", " ") },
    ...segments.map((one) => ({
      title: visible(one.segment), kind: "number", cell: (feature) => figure(one.medians[feature]),
    })),
  ];
}

function figure(value) {
  return value === undefined ? "–" : Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 4 });
}

export async function show(root, { signal }) {
  const place = el("p", { class: "muted" }, "Loading…");
  root.append(heading("Segments"), place);
  const answer = await get("v1/audit/segments", {}, signal);
  const peopled = answer.items.filter((one) => one.accounts > 0);
  const features = [...new Set(peopled.flatMap((one) => Object.keys(one.medians)))];
  place.remove();
  root.append(
    panel("Accounts by what they do", { id: "segments", note: "in the week before" }, asOf(answer.height, answer.time),
      table("Segments", COLUMNS, answer.items)),
    panel("What is typical of each", { id: "medians" },
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Medians" },
        table("Median of each feature by segment", medianColumns(peopled), features, { empty: "No account so far." }))));
}
