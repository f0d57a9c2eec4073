// The page: which panel is shown, who is signed in, how the network fares.

import { show as showAccount } from "./account.js";
import { show as showAccounts } from "./accounts.js";
import { show as showAlerts } from "./alerts.js";
import { show as showCases, showOne as showCase } from "./cases.js";
import { el } from "./dom.js";
import { show as showFlows } from "./flows.js";
import { show as showForecasts } from "./forecasts.js";
import { count, visible } from "./format.js";
import { market } from "./market.js";
import { show as showMembers } from "./members.js";
import { show as showModels, showOne as showModel } from "./models.js";
import { show as showOverview } from "./overview.js";
import { show as showQuery } from "./query.js";
import { refusal } from "./refusals.js";
import { show as showReports } from "./reports.js";
import { show as showSegments } from "./segments.js";
import { session } from "./session.js";
import { showSession, showSignIn } from "./sign_in.js";
import { show as showTransactions, showOne as showTransaction } from "./transactions.js";

const HOME = "#/overview";
const PANELS = [
  { name: "overview", title: "Overview", show: showOverview },
  { name: "alerts", title: "Alerts", show: showAlerts, one: showAlerts },
  { name: "cases", title: "Cases", show: showCases, one: showCase },
  { name: "transactions", title: "Transactions", show: showTransactions, one: showTransaction },
  { name: "accounts", title: "Accounts", show: showAccounts, one: showAccount },
  { name: "flows", title: "Flows", show: showFlows },
  { name: "members", title: "Members", show: showMembers, one: showMembers },
  { name: "segments", title: "Segments", show: showSegments },
  { name: "forecasts", title: "Forecasts", show: showForecasts },
  { name: "models", title: "Models", show: showModels, one: showModel },
  { name: "reports", title: "Reports", show: showReports, one: showReports },
  { name: "query", title: "Query", show: showQuery },
];

const content = document.getElementById("content");
const tabs = document.getElementById("tabs");
let leaving = new AbortController();

// A link with a token signs in; the token leaves the address before anything else happens.
function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (found === null) return;
  history.replaceState(null, "", `${location.pathname}${location.search}${HOME}`);
  session.open(decodeURIComponent(found[1]));
}

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  const panel = PANELS.find((one) => one.name === name) ?? PANELS[0];
  const id = rest.length > 0 ? decodeURIComponent(rest.join("/")) : null;
  return { panel, id, query: new URLSearchParams(query ?? "") };
}

async function render({ focus = true } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { panel, id, query } = route();
  document.title = `${panel.title} · Sunlit`;
  for (const link of tabs.children) {
    if (link.dataset.panel === panel.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  content.replaceChildren();
  if (!session.isOpen && session.reason === null) {
    showSignIn(content);
    return;
  }
  const root = el("div", { class: "view" });
  content.append(root);
  try {
    const show = id !== null && panel.one ? panel.one : panel.show;
    await show(root, { id, query, signal });
  } catch (error) {
    if (signal.aborted) return;
    root.append(refusal(error));
  }
  if (!focus || signal.aborted) return;
  const chosen = content.querySelector("[data-begin]");
  (chosen ?? content.querySelector("h1") ?? content).focus({ preventScroll: chosen === null });
}

function chip(name, value, tone, title) {
  return el("span", { class: `chip ${tone}`, id: `chip-${name}`, title }, el("span", {}, name), el("b", {}, value));
}

function showState() {
  const { status, statusProblem, streams } = market;
  const chips = document.getElementById("chips");
  if (status === null) {
    chips.replaceChildren(chip("node", statusProblem === null ? "…" : "no answer", statusProblem ? "bad" : "", ""));
    return;
  }
  document.getElementById("where").replaceChildren(` ${visible(status.member)} · ${visible(status.chain_id)}`);
  const analytics = status.analytics?.state ?? "off";
  chips.replaceChildren(
    ...(statusProblem === null ? [] : [chip("node", "no answer", "bad", "The figures are the last known.")]),
    chip("finality", status.finality, status.finality === "live" ? "good" : "bad", "live: the head is at most 10 blocks past final"),
    chip("head", status.head_safe ? "safe" : "unsafe", status.head_safe ? "good" : "bad", "safe: enough distinct members vouch for it"),
    chip("peers", count(status.peers), status.peers > 0 ? "" : "bad", "nodes connected"),
    chip("analytics", analytics.replace("_", " "), analytics === "live" ? "good" : analytics === "off" ? "" : "warn", "the embedded analytics"),
    chip("stream", streams.blocks === "live" ? "live" : "waiting", streams.blocks === "live" ? "good" : "warn", "final blocks as they come"),
  );
}

function start() {
  takeToken();
  tabs.append(...PANELS.map((panel) =>
    el("a", { href: `#/${panel.name}`, "data-panel": panel.name }, panel.title)));
  document.getElementById("skip").addEventListener("click", () => content.focus());
  addEventListener("hashchange", () => {
    takeToken();
    render();
  });
  session.addEventListener("opened", () => {
    market.start();
    market.loadAssets().catch(() => {});
    showSession();
    render();
  });
  session.addEventListener("closed", () => {
    market.stop();
    showSession();
  });
  market.addEventListener("status", showState);
  market.addEventListener("alerted", ({ detail }) => {
    document.getElementById("spoken").textContent = `New alert: ${detail.typology}, ${detail.severity}`;
  });
  market.watchStatus();
  showSession();
  if (session.isOpen) {
    market.start();
    market.loadAssets().catch(() => {}).then(() => render({ focus: false }));
  } else {
    render({ focus: false });
  }
}

start();
