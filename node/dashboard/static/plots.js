// The plots of a model, drawn from the figures that it kept of its training.

import { get } from "./api.js";
import { axis, colour, draw } from "./charts.js";
import { el, panel, table } from "./dom.js";
import { count, label, visible } from "./format.js";
import { refusal } from "./refusals.js";

const ROW_PX = 20;
const HEIGHT_PX = 300;
const NARROW_PX = 640;
const SHADES = ["accent", "high", "good", "medium", "critical", "low"];
const FIGURES_SHOWN = 100;

export async function showPlots(root, path, signal) {
  const place = el("div", { class: "plots" }, el("p", { class: "muted" }, "Loading…"));
  root.append(panel("Plots", { id: "model-plots", note: "from what it kept of its training" }, place));
  try {
    const { plots } = await get(`${path}/plots`, {}, signal);
    place.replaceChildren(...plots.map((plot) => framed(plot)), plots.length > 0 ? "" : el("p", { class: "muted" }, "A rule learned nothing, and has none."));
    for (const plot of plots) {
      await draw(place.querySelector(`[data-plot="${CSS.escape(plot.name)}"] .chart`), told(plot), () => figureOf(plot), signal);
    }
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(refusal(error));
  }
}

function framed(plot) {
  return el("figure", { class: "plot", "data-plot": plot.name },
    el("h3", {}, visible(plot.title)), el("p", { class: "muted" }, visible(plot.note)),
    el("div", { class: "chart" }), el("details", {}, el("summary", {}, "Figures", el("span", { class: "unseen" }, ` of ${visible(plot.title)}`)), figures(plot)));
}

// What a chart shows, in words for who does not see it: all figures are in the table below it.
function told(plot) {
  const pairs = plot.traces.reduce((sum, trace) => sum + trace.up.length, 0);
  return `${plot.title}: ${plot.up} by ${plot.across}, ${pairs} figures`;
}

function figures(plot) {
  const rows = plot.traces.flatMap((trace) => trace.up.map((up, place) => ({ name: trace.name, across: trace.across[place], up })));
  const named = plot.traces.some((trace) => trace.name !== "");
  const columns = [
    { title: plot.across, kind: "text", cell: (row) => written(row.across) },
    { title: plot.up, kind: "number", cell: (row) => written(row.up) },
  ];
  if (named) columns.unshift({ title: "Of", cell: (row) => visible(row.name) });
  return el("div", { class: "scroll wide-table", tabindex: "0", role: "region", "aria-label": plot.title },
    table(plot.title, columns, rows.slice(0, FIGURES_SHOWN)),
    rows.length > FIGURES_SHOWN ? el("p", { class: "muted" }, `The first ${count(FIGURES_SHOWN)} of ${count(rows.length)} are shown.`) : null);
}

function written(value) {
  return typeof value === "number" ? Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 }) : visible(value);
}

// Names stand beside their bars, where there is room for them; numbers stand below.
function figureOf(plot) {
  const isNamed = plot.traces.some((trace) => trace.across.some((value) => typeof value === "string"));
  const bars = plot.traces.filter((trace) => trace.form === "bars").length;
  const rows = Math.max(0, ...plot.traces.map((trace) => trace.across.length));
  const [names, values] = isNamed ? ["y", "x"] : ["x", "y"];
  const across = axis(isNamed ? "" : label(plot.across), isNamed ? { autorange: "reversed", type: "category" } : {});
  const layout = {
    height: isNamed ? Math.max(160, rows * ROW_PX * Math.max(1, bars) * 0.8 + 80) : HEIGHT_PX,
    [`${names}axis`]: across, [`${values}axis`]: axis(label(plot.up)),
    barmode: "group", showlegend: plot.traces.length > 1, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    margin: { l: 50, r: 16, t: plot.traces.length > 1 ? 36 : 16, b: 44 },
  };
  return { data: plot.traces.map((trace, place) => drawn(trace, place, names, values)), layout };
}

function drawn(trace, place, names, values) {
  const shade = colour(SHADES[place % SHADES.length]);
  const short = (value) => (typeof value === "string" ? cut(label(value)) : value);
  const pairs = { [names]: trace.across.map(short), [values]: trace.up, name: label(trace.name) };
  if (trace.form === "bars") {
    return { ...pairs, type: "bar", orientation: names === "y" ? "h" : "v", marker: { color: shade } };
  }
  const isLine = trace.form === "line";
  return {
    ...pairs, type: "scatter", mode: isLine ? "lines+markers" : "markers",
    line: { color: shade, width: 2 }, marker: { color: shade, size: isLine ? 6 : 5, opacity: isLine ? 1 : 0.6 },
  };
}

// A telephone has no room for a whole name beside a bar.
function cut(text) {
  const most = innerWidth < NARROW_PX ? 18 : 44;
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
