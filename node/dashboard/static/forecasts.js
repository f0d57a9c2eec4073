// What a series of the ledger will do: its past, the median and the interval to come, and the line to beat.

import { get } from "./api.js";
import { asOf } from "./as_of.js";
import { axis, colour, draw } from "./charts.js";
import { choice, el, facts, field, heading, panel, table } from "./dom.js";
import { count, label, moment, percent, visible } from "./format.js";
import { market } from "./market.js";
import { refusal } from "./refusals.js";

const SPANS = [["", "the longest that the history allows"], ["second", "second"], ["minute", "minute"], ["hour", "hour"], ["day", "day"]];
const STEPS = 24;
const CHART_HEIGHT_PX = 340;
const PENDING_MS = 2_000;

export async function show(root, { query, signal }) {
  if (market.assets.size === 0) await market.loadAssets();
  const known = await get("v1/audit/forecasts", {}, signal);
  const name = query.get("series") ?? known.items[0]?.series ?? "";
  const series = choice("series", known.items.map((one) => [one.series, visible(one.series)]), name);
  const span = choice("span", SPANS, query.get("span") ?? "");
  const steps = el("input", { type: "number", name: "horizon", min: 1, max: known.horizon_max, value: query.get("horizon") ?? STEPS });
  const go = (event) => {
    event.preventDefault();
    location.hash = `#/forecasts?${new URLSearchParams({ series: series.value, span: span.value, horizon: steps.value })}`;
  };
  const isAsked = query.has("series");
  const place = el("div", {}, el("p", { class: "muted" }, isAsked ? "The forecast is being made…" : "Choose a series, and how long a step is."));
  const about = known.items.find((one) => one.series === name)?.about ?? "";
  root.append(heading("Forecasts"), panel((isAsked && visible(about)) || "What will come", { id: "forecast" },
    el("form", { class: "filters", "aria-label": "What is forecast", submit: go },
      field("Series", series), field("Step", span), field("Steps", steps), el("button", { type: "submit" }, "Forecast")), place));
  if (!isAsked) return;
  try {
    await showForecast(place, await made({ series: name, span: query.get("span"), horizon: query.get("horizon") }, signal), signal);
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(refusal(error));
  }
}

// A forecast that takes longer than a request may is asked for until it is there.
async function made(asked, signal) {
  for (;;) {
    try {
      return await get("v1/audit/forecasts", asked, signal);
    } catch (error) {
      if (error.code !== "forecast_pending") throw error;
      await new Promise((resolve) => setTimeout(resolve, PENDING_MS));
      signal.throwIfAborted();
    }
  }
}

async function showForecast(place, found, signal) {
  const chart = el("div", { class: "chart", id: "forecast-chart" });
  place.replaceChildren(
    found.beats_naive ? null : el("p", { class: "muted", id: "no-better" },
      "On this series' own past the model is no better than the last value or the last season: go by the naive line."),
    asOf(found.data.last_height, found.data.until), chart, facts(told(found)), stepTable(found));
  const last = found.steps.at(-1);
  const summary = `${found.series} in ${count(found.steps.length)} steps: ${figure(last.value, found)}, from ${figure(last.lower, found)} to ${figure(last.upper, found)}`;
  await draw(chart, summary, () => figureOf(found), signal);
}

function figureOf({ series, history, steps, unit }) {
  const written = (value) => scaled(value, series, unit);
  const line = (name, points, field, dash, width) => ({
    type: "scatter", mode: "lines", name, x: points.map((one) => one.time), y: points.map((one) => written(one[field])),
    line: { dash, width },
  });
  const band = (field, fill) => ({
    ...line("80 of 100", steps, field, "solid", 0), fill, fillcolor: `${colour("accent")}33`, showlegend: fill !== undefined, hoverinfo: "skip",
  });
  return {
    data: [
      band("lower"), band("upper", "tonexty"), line("so far", history, "value", "solid", 2),
      line("forecast", steps, "value", "solid", 2), line("naive", steps, "naive", "dot", 1),
    ],
    layout: {
      height: CHART_HEIGHT_PX, showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      xaxis: axis("", { title: undefined }), yaxis: axis(label(assetOf(series, unit) ?? unit)),
    },
  };
}

// The asset of a series of amounts: the last part of its name.
function assetOf(series, unit) {
  return unit === "smallest units" ? series.split(":").at(-1) : null;
}

function scaled(value, series, unit) {
  const asset = assetOf(series, unit);
  return asset === null ? value : value / 10 ** (market.assets.get(asset)?.decimals ?? 0);
}

function figure(value, { series, unit }) {
  const asset = assetOf(series, unit);
  const written = scaled(value, series, unit).toLocaleString("en", { maximumFractionDigits: 2 });
  return asset === null ? written : `${written} ${visible(asset)}`;
}

function told(found) {
  const { backtest, data, model } = found;
  return [
    ["Step", found.span],
    ["Made from", `${count(data.spans)} steps, `, moment(data.since), " to ", moment(data.until)],
    ["Model", `${visible(model.name)} ${visible(model.order)}`],
    ["Mean error on its own past", `${figure(backtest.mae, found)} in ${count(Math.round(backtest.origins))} forecasts`],
    ["The same of the last value", figure(backtest.naive_mae, found)],
    ["The same of the last season", figure(backtest.seasonal_naive_mae, found)],
    ["Values within the interval", percent(backtest.coverage)],
  ];
}

function stepTable(found) {
  const number = (title, field) => ({ title, kind: "number", cell: (step) => figure(step[field], found) });
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Steps" }, table("Steps of the forecast", [
    { title: "Begins", cell: (step) => moment(step.time) },
    number("Median", "value"), number("Lower", "lower"), number("Upper", "upper"), number("Naive", "naive"),
  ], found.steps));
}
