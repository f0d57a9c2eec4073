// Alerts in a list: severity, pattern, account, score. Each leads to its reasons.

import { el } from "./dom.js";
import { recent, score, short } from "./format.js";
import { market } from "./market.js";

export const TYPOLOGIES = ["structuring", "fan_in", "fan_out", "round_trip", "pass_through", "dormant",
  "velocity", "round_amounts", "sanctioned", "anomaly", "drift"];
export const SEVERITIES = ["critical", "high", "medium", "low"];

export function typologyName(typology) {
  return typology.replaceAll("_", " ");
}

export function severityTag(severity) {
  return el("span", { class: `tag ${SEVERITIES.includes(severity) ? severity : ""}` }, severity);
}

export function alertsList(alerts, chosen = null, empty = "No alert.") {
  if (alerts.length === 0) return el("p", { class: "muted" }, empty);
  return el("ol", { class: "alerts" }, alerts.map((alert) => el("li", { "data-alert": alert.id },
    el("a", { href: `#/alerts/${encodeURIComponent(alert.id)}`, "aria-current": alert.id === chosen ? "true" : null,
      "aria-label": `${alert.severity} ${typologyName(alert.typology)}, score ${score(alert.score)}, ${alert.account ?? "market"}, ${alert.time.slice(0, 19)}` },
      severityTag(alert.severity),
      el("span", { class: "what" }, typologyName(alert.typology)),
      el("span", { class: "id who" }, alert.account === null ? "market" : short(alert.account)),
      el("span", { class: "score", title: "score, 0 to 1" }, score(alert.score)),
      el("span", { class: "when" }, recent(alert.time, market.status?.head.time ?? alert.time))))));
}
