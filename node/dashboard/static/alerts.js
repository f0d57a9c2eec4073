// Alerts as they come, and one of them with its reasons and the transactions behind it.

import { get } from "./api.js";
import { caseOf } from "./cases.js";
import { SEVERITIES, TYPOLOGIES, alertsList, severityTag, typologyName } from "./alerts_list.js";
import { choice, el, facts, field, heading, panel } from "./dom.js";
import { accountLink, count, moment, score, visible } from "./format.js";
import { market } from "./market.js";
import { legsTable } from "./movements.js";
import { reasonBars } from "./reasons.js";
import { refusal } from "./refusals.js";

const TRANSACTIONS_SHOWN = 50;

const filter = { severity: "", typology: "" };

export async function show(root, { id, signal }) {
  const list = el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Alerts, newest first" });
  const more = el("button", { type: "button", class: "quiet", click: () => market.moreAlerts() }, "Older alerts");
  const severity = choice("severity", [["", "all"], ...SEVERITIES.map((one) => [one, one])], filter.severity);
  const typology = choice("typology", [["", "all"], ...TYPOLOGIES.map((one) => [one, typologyName(one)])], filter.typology);
  const chosen = el("div", { class: "chosen" });
  root.append(heading("Alerts"), el("div", { class: "split" },
    panel("Newest first", { id: "alerts" },
      el("form", { class: "filters", "aria-label": "Filter", submit: (event) => event.preventDefault() },
        field("Severity", severity), field("Pattern", typology)), list, more),
    chosen));
  const update = () => {
    filter.severity = severity.value;
    filter.typology = typology.value;
    const shown = market.alerts.filter((alert) =>
      (!filter.severity || alert.severity === filter.severity) && (!filter.typology || alert.typology === filter.typology));
    const held = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    list.replaceChildren(market.alertsProblem === null
      ? alertsList(shown, id, market.alerts.length ? "No alert passes the filter." : "No alert so far.") : refusal(market.alertsProblem));
    if (held !== null) list.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
    more.hidden = market.older === null;
  };
  severity.addEventListener("change", update);
  typology.addEventListener("change", update);
  market.addEventListener("alerts", update, { signal });
  update();
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  const alert = id === null ? null : market.alert(id);
  if (alert !== null) await showAlert(chosen, alert, signal);
  else chosen.append(el("p", { class: "muted hint" }, id === null
    ? "Choose an alert to see its reasons and the transactions behind it."
    : "This alert is not among those loaded; look for it in the list."));
}

async function showAlert(root, alert, signal) {
  const transactions = el("div", {}, el("p", { class: "muted" }, "Loading…"));
  const found = el("span", { id: "alert-case" }, "…");
  root.append(
    panel(`${typologyName(alert.typology)}`, { id: "alert" },
      facts([
        ["Severity", severityTag(alert.severity)],
        ["Score", el("b", { id: "alert-score" }, score(alert.score))],
        ["Account", alert.account === null ? "the whole market" : accountLink(alert.account)],
        ["Found at", `block ${count(alert.height)}, `, moment(alert.time)],
        ["Model", visible(alert.model)],
        ["Case", found],
      ]),
      el("h3", {}, "Reasons"), reasonBars(alert.reasons, alert.score)),
    panel("Transactions behind it", { id: "alert-transactions", note: count(alert.transactions.length) }, transactions),
  );
  // Whoever chose it in the list goes on from here, and not through all of the list again.
  const title = root.querySelector("#alert-title");
  title.tabIndex = -1;
  title.dataset.begin = "";
  const asked = alert.transactions.slice(0, TRANSACTIONS_SHOWN);
  const [moved] = await Promise.all([
    Promise.all(asked.map((txid) => get(`v1/transactions/${encodeURIComponent(txid)}`, {}, signal))),
    caseOf(found, alert, signal),
  ]);
  transactions.replaceChildren(legsTable(moved, alert.account));
  if (asked.length < alert.transactions.length) {
    transactions.append(el("p", { class: "muted" }, `The first ${count(asked.length)} are shown.`));
  }
}
