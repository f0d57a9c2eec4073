// Cases: what officers do about alerts, and one of them with its notes, its measures and their effect.

import { acting } from "./acting.js";
import { get, post, save, saveBlob } from "./api.js";
import { alertsList } from "./alerts_list.js";
import { statusTag } from "./accounts.js";
import { choice, el, facts, field, heading, panel, table } from "./dom.js";
import { accountLink, count, moment, said, short, transactionLink, visible } from "./format.js";
import { market } from "./market.js";
import { officer } from "./officers.js";
import { refusal } from "./refusals.js";

const PAGE = 50;
const STATES = ["open", "in_review", "measure_proposed", "measure_applied", "closed", "dismissed"];
// Where an officer may move a case; that a measure is applied only the chain says.
const MOVES = {
  open: ["in_review", "closed", "dismissed"],
  in_review: ["closed", "dismissed"],
  measure_proposed: ["in_review", "dismissed"],
  measure_applied: ["in_review", "closed"],
  closed: ["in_review"],
  dismissed: ["in_review"],
};

const COLUMNS = [
  { title: "Case", cell: (one) => caseLink(one.id) },
  { title: "State", cell: (one) => stateTag(one.state) },
  { title: "About", kind: "text", cell: (one) => said(one.title) },
  { title: "Alerts", kind: "number", cell: (one) => count(one.alerts.length) },
  { title: "Officer", cell: (one) => officer(one.officer) },
  { title: "Changed", cell: (one) => moment(one.changed_time) },
];

const STEP_COLUMNS = [
  { title: "Time", cell: (step) => moment(step.time) },
  { title: "State", cell: (step) => stateTag(step.state) },
  { title: "By", cell: (step) => (step.by === null ? "the chain" : officer(step.by)) },
  { title: "Officer from then on", cell: (step) => officer(step.officer) },
];

const MEASURE_COLUMNS = [
  { title: "Time", cell: (measure) => moment(measure.time) },
  { title: "Measure", cell: (measure) => measure.measure },
  { title: "Account", cell: (measure) => accountLink(measure.account) },
  { title: "Transaction", cell: (measure) => transactionLink(measure.txid) },
  { title: "Reason", kind: "text", cell: (measure) => said(measure.reason) },
];

const EFFECT_COLUMNS = [
  { title: "Account", cell: (effect) => accountLink(effect.account) },
  { title: "Status", cell: (effect) => (effect.status === null ? "–" : statusTag(effect.status)) },
  { title: "Frozen since", cell: (effect) => (effect.frozen_since ? moment(effect.frozen_since.time) : "–") },
  { title: "Holds", kind: "number", cell: (effect) => effect.balances.map((held) => el("div", {}, market.money(held.amount, held.asset))) },
];

export function caseLink(id) {
  return el("a", { href: `#/cases/${encodeURIComponent(id)}`, class: "id" }, visible(id));
}

export function stateTag(state) {
  return el("span", { class: `tag ${state === "measure_applied" ? "critical" : state === "measure_proposed" ? "high" : ""}` },
    state.replaceAll("_", " "));
}

export async function show(root, { query, signal }) {
  const state = choice("state", [["", "all"], ...STATES.map((one) => [one, one.replaceAll("_", " ")])], query.get("state") ?? "");
  const place = el("div", {});
  root.append(heading("Cases"), panel("What officers do about alerts", { id: "cases" },
    el("form", { class: "filters", "aria-label": "Filter", submit: (event) => event.preventDefault() }, field("State", state)), place));
  const items = [];
  const more = el("button", { type: "button", class: "quiet" }, "More");
  const load = async (cursor) => {
    if (cursor === null) items.length = 0;
    try {
      const page = await get("v1/audit/cases", { state: state.value, limit: PAGE, cursor }, signal);
      items.push(...page.items);
      more.hidden = page.next_cursor === null;
      more.onclick = () => load(page.next_cursor);
      place.replaceChildren(table("Cases, the newest first", COLUMNS, items, { empty: "No case. An alert's page opens one." }), more);
    } catch (error) {
      if (!signal.aborted) place.replaceChildren(refusal(error));
    }
  };
  state.addEventListener("change", () => load(null));
  await load(null);
}

export async function showOne(root, { id, signal }) {
  const path = `v1/audit/cases/${encodeURIComponent(id)}`;
  const place = el("div", { class: "grid" });
  const draw = (one) => {
    market.remember(one.alerts);
    place.replaceChildren(...parts(one, path, draw));
  };
  root.append(heading("Case", el("span", { class: "id whole" }, visible(id))), place);
  draw(await get(path, {}, signal));
}

function parts(one, path, draw) {
  return [
    el("div", { class: "column" }, about(one, path, draw),
      panel("Alerts", { id: "case-alerts", note: count(one.alerts.length) }, alertsList(one.alerts), drafting(one, path, draw))),
    el("div", { class: "column" }, notes(one, path, draw),
      panel("History", { id: "case-history" }, table("Steps of the case", STEP_COLUMNS, one.history))),
    panel("Measures on the chain", { id: "case-measures", wide: true, note: `searched to block ${count(one.height)}` },
      table("Measures that name the case", MEASURE_COLUMNS, one.measures, { empty: "None so far." }),
      el("h3", {}, "Effect"), table("The accounts of the case now", EFFECT_COLUMNS, one.effects)),
  ];
}

function about(one, path, draw) {
  const next = choice("state", MOVES[one.state].map((state) => [state, state.replaceAll("_", " ")]), "");
  const { fault, run } = acting(async () => draw(await post(`${path}/state`, { state: next.value })));
  const saving = acting(() => save(`${path}/export`, `${one.id}.zip`));
  return panel("Case", { id: "case" }, facts([
    ["State", stateTag(one.state)],
    ["About", said(one.title)],
    ["Officer", officer(one.officer)],
    ["Opened", moment(one.opened_time)],
    ["Transactions", count(one.transactions.length)],
  ]), el("form", { class: "filters", "aria-label": "Move the case", submit: (event) => {
    event.preventDefault();
    run();
  } }, field("Move to", next), el("button", { type: "submit" }, "Move"),
  el("button", { type: "button", class: "quiet", click: () => saving.run() }, "Save with all evidence")), fault, saving.fault);
}

// Drafts are files for `sunlit govern`, which two officers sign; no key of theirs comes near a browser.
function drafting(one, path, draw) {
  const drafted = new Set(one.proposals.map((proposal) => proposal.account));
  const { fault, run } = acting(async (alert) => draw((await post(`v1/audit/alerts/${encodeURIComponent(alert.id)}/response`, {})).case));
  const undrafted = one.alerts.filter((alert, index) => alert.account !== null && !drafted.has(alert.account)
    && one.alerts.findIndex((other) => other.account === alert.account) === index);
  return el("div", { id: "case-drafts" },
    one.proposals.map((draft) => el("p", {}, "Drafted: freeze ", accountLink(draft.account), " ",
      el("button", { type: "button", class: "quiet", click: () => saveDraft(`freeze-${one.id}.json`, draft.proposal) }, "Save the draft"), " ",
      el("span", { class: "muted" }, "for ", el("code", {}, "sunlit govern sign"), ", ", el("code", {}, "cosign"), " and ", el("code", {}, "submit")))),
    undrafted.map((alert) => el("button", { type: "button", class: "quiet", click: () => run(alert) }, `Draft a freeze of ${short(alert.account)}`)),
    fault);
}

function saveDraft(name, document) {
  saveBlob(name, new Blob([JSON.stringify(document, null, 2)], { type: "application/json" }));
}

function notes(one, path, draw) {
  const text = el("textarea", { rows: "2", name: "note", required: true, maxlength: "4000" });
  const { fault, run } = acting(async () => draw(await post(`${path}/notes`, { text: text.value })));
  return panel("Notes", { id: "case-notes", note: "nobody can change or remove one" },
    one.notes.length === 0 ? el("p", { class: "muted" }, "No note so far.")
      : el("ol", { class: "notes" }, one.notes.map((note) => el("li", {},
        el("p", {}, said(note.text)), el("span", { class: "muted" }, moment(note.time), " ", officer(note.officer))))),
    el("form", { "aria-label": "Add a note", submit: (event) => {
      event.preventDefault();
      run();
    } }, field("Note", text), el("button", { type: "submit" }, "Add")), fault);
}

// The way from an alert to its case: the case that it is in, or a button that opens one.
export async function caseOf(place, alert, signal) {
  const { fault, run } = acting(async () => {
    const opened = await post("v1/audit/cases", { alerts: [alert.id] });
    location.hash = `#/cases/${encodeURIComponent(opened.id)}`;
  });
  try {
    const page = await get("v1/audit/cases", { alert: alert.id, limit: 1 }, signal);
    place.replaceChildren(page.items.length > 0 ? caseLink(page.items[0].id)
      : el("button", { type: "button", class: "quiet", click: () => run() }, "Open a case"), fault);
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(refusal(error));
  }
}
