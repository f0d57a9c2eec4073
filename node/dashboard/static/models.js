// The models and rules that speak: what each learned from, how good it is, who put it in its place.

import { acting } from "./acting.js";
import { get, post } from "./api.js";
import { choice, el, facts, field, heading, panel, table } from "./dom.js";
import { count, moment, said, transactionLink, visible } from "./format.js";
import { officer } from "./officers.js";
import { showPlots } from "./plots.js";
import { refusal } from "./refusals.js";

const PAGE = 100;
const STATES = ["champion", "challenger", "candidate", "retired"];
const STANDINGS = ["champion", "challenger", "retired"];
const SERIES = ["account-groups", "account-outliers", "account-warnings"];

const COLUMNS = [
  { title: "Model", cell: (one) => modelLink(one.id, `${one.series}/${one.version}`) },
  { title: "Method", cell: (one) => visible(one.method) },
  { title: "Is", cell: (one) => standing(one.state) },
  { title: "Learned from", cell: (one) => (one.data === null ? "nobody trained it" : `${count(one.rows)} accounts to block ${count(one.data.to_height)}`) },
  { title: "Measures", kind: "text", cell: (one) => Object.entries(one.metrics).slice(0, 3).map(([name, value]) => `${visible(name)} ${measure(value)}`).join(", ") || "–" },
  { title: "Attested", cell: (one) => (one.attestations.length > 0 ? "yes" : "no") },
  { title: "Since", cell: (one) => moment(one.created) },
];

const TRAINING_COLUMNS = [
  { title: "Asked", cell: (one) => moment(one.asked) },
  { title: "Series", cell: (one) => visible(one.series) },
  { title: "Method", cell: (one) => visible(one.method) },
  { title: "State", cell: (one) => el("span", { class: `tag ${one.state === "failed" ? "high" : ""}` }, one.state) },
  { title: "How far", kind: "text", cell: (one) => visible(one.detail ?? one.progress) },
  { title: "Made", cell: (one) => (one.model === null ? "–" : modelLink(one.model, one.model)) },
];

const STEP_COLUMNS = [
  { title: "Time", cell: (step) => moment(step.time) },
  { title: "Is", cell: (step) => standing(step.state) },
  { title: "By", cell: (step) => by(step.by) },
  { title: "Why", kind: "text", cell: (step) => said(step.reason) },
];

const ATTESTATION_COLUMNS = [
  { title: "What", cell: (one) => one.kind.replaceAll("_", " ") },
  { title: "Member", cell: (one) => visible(one.member) },
  { title: "Block", kind: "number", cell: (one) => count(one.height) },
  { title: "Transaction", cell: (one) => transactionLink(one.txid) },
];

function modelLink(id, text) {
  return el("a", { href: `#/models/${encodeURIComponent(id)}`, title: id }, visible(text));
}

function standing(state) {
  return el("span", { class: `tag ${state === "champion" ? "final" : ""}` }, state);
}

function by(key) {
  return key === null ? "the process" : officer(key);
}

function measure(value) {
  return Number(value.toPrecision(4)).toString();
}

export async function show(root, { query, signal }) {
  const state = choice("state", [["", "all"], ...STATES.map((one) => [one, one])], query.get("state") ?? "champion");
  const list = el("div", {});
  const trainings = el("div", {});
  const proposals = el("div", {});
  const load = async () => {
    try {
      const asked = await Promise.all([
        get("v1/audit/models", { state: state.value, limit: PAGE }, signal),
        get("v1/audit/trainings", { limit: PAGE }, signal),
        get("v1/audit/retrain-proposals", { state: "open", limit: PAGE }, signal),
      ]);
      const [models, trained, proposed] = asked.map((page) => page.items);
      list.replaceChildren(table("Models and rules, the newest first", COLUMNS, models, { empty: "None in this state." }));
      trainings.replaceChildren(table("Trainings, the newest first", TRAINING_COLUMNS, trained, { empty: "None so far." }));
      proposals.replaceChildren(proposed.length > 0 ? proposed.map((one) => proposal(one, load)) : el("p", { class: "muted" }, "None is open."));
    } catch (error) {
      if (!signal.aborted) list.replaceChildren(refusal(error));
    }
  };
  state.addEventListener("change", load);
  root.append(heading("Models"),
    panel("Models and rules", { id: "models" },
      el("form", { class: "filters", "aria-label": "Filter", submit: (event) => event.preventDefault() }, field("State", state)), list),
    panel("Proposals to train again", { id: "proposals", note: "where the market has moved on" }, proposals),
    panel("Trainings", { id: "trainings" }, training(load), trainings));
  await load();
}

function training(load) {
  const series = choice("series", SERIES.map((one) => [one, one]), SERIES[0]);
  const { fault, run } = acting(async () => {
    await post("v1/audit/models", { series: series.value });
    await load();
  });
  return el("form", { class: "filters", submit: (event) => {
    event.preventDefault();
    run();
  } }, field("Series", series), el("button", { type: "submit" }, "Train"), fault);
}

function proposal(one, load) {
  const { fault, run } = acting(async (decision) => {
    await post(`v1/audit/retrain-proposals/${encodeURIComponent(one.id)}`, { decision });
    await load();
  });
  const button = (text, decision) => el("button", { type: "button", class: "quiet", click: () => run(decision) }, text);
  return el("article", { class: "proposal" },
    el("p", {}, el("b", {}, visible(one.series)), " ", moment(one.time), ", block ", count(one.height)),
    el("ul", {}, one.reasons.map((reason) => el("li", {}, said(reason.text)))),
    button("Train again", "accepted"), button("Dismiss", "dismissed"), fault);
}

export async function showOne(root, { id, signal }) {
  const path = `v1/audit/models/${encodeURIComponent(id)}`;
  const place = el("div", { class: "grid" });
  const plots = el("div", {});
  const draw = (one) => place.replaceChildren(...parts(one, path, draw));
  root.append(heading("Model", el("span", { class: "id whole" }, visible(id))), place, plots);
  const one = await get(path, {}, signal);
  draw(one);
  root.append(panel("Card", { id: "model-card" }, el("pre", { class: "card" }, visibleLines(one.card))));
  await showPlots(plots, path, signal);
}

function parts(one, path, draw) {
  const metrics = Object.entries(one.metrics).map(([name, value]) => [visible(name).replaceAll("_", " "), measure(value)]);
  return [
    el("div", { class: "column" }, about(one, path, draw),
      panel("Measures", { id: "model-metrics", note: "on rows that it did not learn from" },
        metrics.length > 0 ? facts(metrics) : el("p", { class: "muted" }, "A rule has none."))),
    el("div", { class: "column" },
      panel("History", { id: "model-history" }, table("History", STEP_COLUMNS, one.history)),
      panel("Attested on the chain", { id: "model-attestations" },
        table("Attestations", ATTESTATION_COLUMNS, one.attestations, { empty: "Nobody has attested it." }))),
  ];
}

function about(one, path, draw) {
  const learned = one.data === null ? [] : [
    ["Learned from", `${count(one.rows)} rows of blocks ${count(one.data.from_height)} to ${count(one.data.to_height)}`],
    ["Seed", count(one.seed)],
  ];
  const told = [["Series", visible(one.series)], ["Version", count(one.version)], ["Method", visible(one.method)],
    ["Is", standing(one.state)], ...learned, ["Card", el("code", {}, one.card_hash)], ["Manifest", el("code", {}, one.manifest_hash)]];
  return panel("What it is", { id: "model" }, facts(told), one.method === "rules" ? null : placing(one, path, draw));
}

function placing(one, path, draw) {
  const state = choice("standing", STANDINGS.filter((to) => to !== one.state).map((to) => [to, to]), null);
  const reason = el("input", { name: "reason", maxlength: 1000 });
  const { fault, run } = acting(async () => {
    draw(await post(`${path}/promote`, { state: state.value, reason: reason.value }));
  });
  return el("form", { class: "filters", submit: (event) => {
    event.preventDefault();
    run();
  } }, field("Make it", state), field("Why", reason), el("button", { type: "submit" }, "Put in place"), fault);
}

// A card is text of several lines; each is shown with what cannot be seen written out.
function visibleLines(text) {
  return text.split("\n").map(visible).join("\n");
}
