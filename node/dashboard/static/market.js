// What the page knows of the market right now: status, final blocks and alerts, fed by the streams.

import { Refused, follow, get } from "./api.js";
import { amount } from "./format.js";
import { session } from "./session.js";

export const BLOCKS_KEPT = 60;
const RECENT_KEPT = 12;
const ALERTS_PAGE = 100;
const ALERTS_KEPT = 1_000;
const STATUS_MS = 3_000;

class Market extends EventTarget {
  status = null;
  statusProblem = null;
  blocks = [];
  recent = [];
  alerts = [];
  older = null;
  alertsProblem = null;
  alertsKnown = false;
  assets = new Map();
  streams = { blocks: "waiting", alerts: "waiting" };
  #run = null;
  #lastBlock = null;
  #asking = null;
  #known = new Map();

  start() {
    this.stop();
    this.#run = new AbortController();
    const { signal } = this.#run;
    this.#followBlocks(signal);
    this.#followAlerts(signal);
  }

  stop() {
    this.#run?.abort();
    this.#run = null;
  }

  watchStatus() {
    this.refreshStatus();
    setInterval(() => this.refreshStatus(), STATUS_MS);
  }

  // Who asks while it is asked already waits for the same answer.
  refreshStatus() {
    this.#asking ??= this.#askStatus().finally(() => { this.#asking = null; });
    return this.#asking;
  }

  async #askStatus() {
    try {
      this.status = await get("v1/status");
      this.statusProblem = null;
    } catch (error) {
      this.statusProblem = error;
    }
    this.#tell("status");
  }

  async loadAssets() {
    const page = await get("v1/assets", { limit: 1000 });
    for (const asset of page.items) this.assets.set(asset.asset, asset);
    this.#tell("assets");
  }

  // The last final block that the page knows of, from whichever of its sources is ahead.
  get finalHeight() {
    return Math.max(this.status?.finalized.height ?? 0, this.blocks[0]?.height ?? 0);
  }

  // An amount with its asset, exact; in smallest units as long as the asset is not known.
  money(value, asset) {
    const known = this.assets.get(asset);
    if (known === undefined) return `${value} smallest units of ${asset}`;
    return `${amount(value, known.decimals)} ${asset}`;
  }

  alert(id) {
    return this.#known.get(id) ?? null;
  }

  // Remember alerts that any answer brought, so that links to them lead somewhere.
  remember(alerts) {
    for (const alert of alerts) this.#known.set(alert.id, alert);
  }

  #add(alerts) {
    const held = new Set(this.alerts.map((alert) => alert.id));
    this.remember(alerts);
    this.alerts = [...this.alerts, ...alerts.filter((alert) => !held.has(alert.id))]
      .sort((a, b) => b.height - a.height || (a.id < b.id ? 1 : -1));
  }

  async moreAlerts() {
    if (this.older === null) return;
    const page = await get("v1/audit/alerts", { limit: ALERTS_PAGE, cursor: this.older });
    this.older = page.next_cursor;
    this.#add(page.items);
    this.#tell("alerts");
  }

  async #followBlocks(signal) {
    let from = 0;
    if (this.#lastBlock === null) {
      // Where the chain is must be known first: from block 0 on, a long one would come whole.
      await this.refreshStatus();
      while (this.status === null && !signal.aborted) {
        await new Promise((resume) => setTimeout(resume, STATUS_MS));
        await this.refreshStatus();
      }
      if (signal.aborted) return;
      from = Math.max(0, this.status.finalized.height - BLOCKS_KEPT + 1);
    }
    if (signal.aborted) return;
    if (this.recent.length === 0) await this.#loadRecent(signal);
    await follow("v1/audit/blocks", {
      parameters: { follow: "true", from },
      lastId: this.#lastBlock,
      signal,
      onState: (state, error) => this.#streamState("blocks", state, error),
      onEvent: (name, block) => {
        if (name === "reset") {
          this.blocks = [];
          this.#lastBlock = null;
          this.#tell("blocks");
          return;
        }
        if (name !== "block") return;
        this.#lastBlock = `${block.height}:${block.hash}`;
        this.blocks = [block, ...this.blocks].slice(0, BLOCKS_KEPT);
        this.#addRecent(block.transactions.map((one) => ({ ...one, height: block.height, time: block.time })).reverse());
        this.#tell("blocks");
        this.refreshStatus();
      },
    });
  }

  async #loadRecent(signal) {
    try {
      this.#addRecent((await get("v1/audit/transactions", { limit: RECENT_KEPT }, signal)).items);
    } catch {
      // The stream, which follows, says what is wrong.
    }
  }

  // Newest first; what the search has brought already is not added again.
  #addRecent(transactions) {
    const known = new Set(this.recent.map((one) => one.txid));
    this.recent = [...transactions.filter((one) => !known.has(one.txid)), ...this.recent]
      .sort((a, b) => b.height - a.height || b.index - a.index).slice(0, RECENT_KEPT);
  }

  async #followAlerts(signal) {
    try {
      while (!this.alertsKnown) {
        try {
          const page = await get("v1/audit/alerts", { limit: ALERTS_PAGE }, signal);
          this.older = page.next_cursor;
          this.#add(page.items);
          this.alertsKnown = true;
        } catch (error) {
          if (!(error instanceof Refused) || error.status !== 503) throw error;
          this.alertsProblem = error;
          this.#tell("alerts");
          await new Promise((resume) => setTimeout(resume, STATUS_MS));
          if (signal.aborted) return;
        }
      }
      this.alertsProblem = null;
      this.#tell("alerts");
    } catch (error) {
      if (signal.aborted) return;
      this.alertsProblem = error;
      this.#tell("alerts");
      return;
    }
    const [newest] = this.alerts;
    await follow("v1/audit/alerts", {
      parameters: { follow: "true" },
      lastId: newest === undefined ? null : `${newest.height}:${newest.id}`,
      signal,
      onState: (state, error) => this.#streamState("alerts", state, error),
      onEvent: (name, alert) => {
        if (name !== "alert") return;
        this.#add([alert]);
        if (this.alerts.length > ALERTS_KEPT) this.#forgetOldest();
        this.dispatchEvent(new CustomEvent("alerted", { detail: alert }));
        this.#tell("alerts");
      },
    });
  }

  // What leaves the list is asked for again when somebody wants older alerts.
  #forgetOldest() {
    for (const alert of this.alerts.splice(ALERTS_KEPT)) this.#known.delete(alert.id);
    const last = this.alerts.at(-1);
    this.older = `${last.height}:${last.id}`;
  }

  #streamState(stream, state, error) {
    this.streams[stream] = state;
    if (state === "refused" && error.status === 403) session.close("forbidden");
    this.#tell("status");
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}

export const market = new Market();
