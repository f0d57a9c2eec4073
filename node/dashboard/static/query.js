// Free SQL over the warehouse's documented tables: a table, and a chart of two of its columns.

import { post } from "./api.js";
import { axis, draw } from "./charts.js";
import { choice, el, field, heading, panel, table } from "./dom.js";
import { count, label, said } from "./format.js";
import { refusal } from "./refusals.js";

const ROWS_SHOWN = 500;
const EXAMPLES = [
  ["Payments a minute", "SELECT time_bucket(INTERVAL 1 MINUTE, time) AS minute, count(*) AS transactions\nFROM transactions GROUP BY minute ORDER BY minute"],
  ["Largest payments", "SELECT time, debit, credit, asset, amount, reference\nFROM legs WHERE kind = 'transfer' ORDER BY amount DESC LIMIT 20"],
  ["Blocks by sealer", "SELECT sealer, count(*) AS blocks\nFROM blocks GROUP BY sealer ORDER BY blocks DESC"],
  ["Accounts by member", "SELECT member, count(*) AS accounts\nFROM accounts GROUP BY member ORDER BY accounts DESC"],
  ["Alerts by pattern", "SELECT typology, severity, count(*) AS alerts\nFROM alerts GROUP BY typology, severity ORDER BY alerts DESC"],
];
const TABLES = "blocks, transactions, legs, accounts, members, assets, balances_daily, measures, alerts, scores";
const CHARTS = [["bar", "bars"], ["line", "line"], ["scatter", "points"]];
const NUMERIC = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/;

let written = EXAMPLES[0][1];

export async function show(root, { signal }) {
  const sql = el("textarea", { id: "sql", rows: "6", spellcheck: "false", "aria-describedby": "sql-hint" });
  sql.value = written;
  const run = el("button", { type: "submit" }, "Run");
  const result = el("div", { id: "result", "aria-live": "polite" });
  const examples = choice("example", [["", "choose…"], ...EXAMPLES.map(([name], index) => [String(index), name])], "");
  examples.addEventListener("change", () => {
    if (examples.value !== "") sql.value = EXAMPLES[Number(examples.value)][1];
  });
  const form = el("form", { class: "sql", "aria-label": "Query", submit: async (event) => {
    event.preventDefault();
    written = sql.value;
    run.disabled = true;
    result.replaceChildren(el("p", { class: "muted" }, "Running…"));
    try {
      await showAnswer(result, await post("v1/audit/query", { sql: written }, signal), signal);
    } catch (error) {
      if (!signal.aborted) result.replaceChildren(refusal(error));
    } finally {
      run.disabled = false;
    }
  } },
  el("label", { for: "sql" }, "One SELECT in DuckDB's SQL"), sql,
  el("p", { class: "muted", id: "sql-hint" }, `Tables: ${TABLES}. Amounts are smallest units. Ctrl+Enter runs it.`),
  el("div", { class: "filters" }, field("Example", examples), run));
  sql.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  root.append(heading("Query"), panel("SQL over the warehouse", { id: "query" }, form), result);
}

async function showAnswer(place, answer, signal) {
  const columns = answer.columns.map((name, index) => ({
    title: name,
    kind: NUMERIC.test(answer.types[index]) ? "number" : "text",
    cell: (row) => valueNode(row[index]),
  }));
  const shown = answer.rows.slice(0, ROWS_SHOWN);
  const told = `${count(answer.rows.length)} rows${answer.truncated ? ", cut off by the node" : ""}${shown.length < answer.rows.length ? `, the first ${count(ROWS_SHOWN)} shown` : ""}`;
  place.replaceChildren(
    panel("Rows", { id: "rows", note: told }, el("div", { class: "scroll wide-table", tabindex: "0", role: "region", "aria-label": "Rows" },
      table("Rows of the answer", columns, shown, { empty: "No row." }))));
  if (answer.rows.length > 0 && answer.columns.length > 1) await showChart(place, answer, signal);
}

function valueNode(value) {
  if (value === null) return el("span", { class: "muted" }, "null");
  return said(typeof value === "object" ? JSON.stringify(value) : value);
}

async function showChart(place, answer, signal) {
  const names = answer.columns.map((name, index) => [String(index), name]);
  const measured = answer.types.findIndex((type, index) => index > 0 && NUMERIC.test(type));
  const kind = choice("kind", CHARTS, /^(TIMESTAMP|DATE)/.test(answer.types[0]) ? "line" : "bar");
  const across = choice("across", names, "0");
  const up = choice("up", names, String(measured < 0 ? 1 : measured));
  const chart = el("div", { class: "chart", id: "chart" });
  place.append(panel("Chart", { id: "query-chart" }, el("form", { class: "filters", "aria-label": "Chart", submit: (event) => event.preventDefault() },
    field("Form", kind), field("Across", across), field("Up", up)), chart));
  const figure = () => ({
    data: [{
      type: kind.value === "bar" ? "bar" : "scatter",
      mode: kind.value === "line" ? "lines+markers" : "markers",
      x: answer.rows.map((row) => plotted(row[across.value])),
      y: answer.rows.map((row) => plotted(row[up.value])),
    }],
    layout: { xaxis: axis(label(answer.columns[across.value])), yaxis: axis(label(answer.columns[up.value])) },
  });
  const again = () => draw(chart, `${answer.columns[up.value]} by ${answer.columns[across.value]}`, figure, signal);
  for (const control of [kind, across, up]) control.addEventListener("change", again);
  await again();
}

function plotted(value) {
  return typeof value === "string" ? label(value) : typeof value === "object" && value !== null ? label(JSON.stringify(value)) : value;
}
