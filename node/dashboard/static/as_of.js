// Which block a panel is of: the last one, or where nobody paid for a week that of the last payment.

import { el } from "./dom.js";
import { count, moment } from "./format.js";
import { market } from "./market.js";

const WEEK_MS = 7 * 24 * 3_600_000;

export function isPast(time) {
  return market.status !== null && Date.parse(market.status.head.time) - Date.parse(time) > WEEK_MS;
}

// The block and its time, and why it is not the last one where it is long ago.
export function asOf(height, time) {
  return el("p", { class: isPast(time) ? "as-of past" : "as-of muted" }, "As of final block ", count(height), ", ", moment(time),
    isPast(time) ? ". Nobody has paid since: this looks back from the last payment, and not from today." : ".");
}
