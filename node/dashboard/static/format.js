// How things of the chain are written. Amounts stay whole numbers (BigInt) from end to end.

import { el } from "./dom.js";

// Controls, marks that turn the reading direction, invisible characters: whoever writes them hides something.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u00a0\u034f\u115f\u1160\u2000-\u200a\u202f\u205f\u3000\u3164\uffa0]/gu;
const LATIN = /\p{Script=Latin}/u;
const LOOK_ALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\u{ff01}-\u{ff5e}\u{1d400}-\u{1d7ff}]/gu;

const DAY_MS = 24 * 3_600_000;

function codePoint(character) {
  return `\\u{${character.codePointAt(0).toString(16)}}`;
}

// The text with everything that cannot be seen written out.
export function visible(text) {
  return String(text).replace(HIDDEN, codePoint);
}

// A text from the chain: hidden characters are written out, letters that pass for Latin ones are named.
export function said(text) {
  const node = el("span", { class: "said", dir: "auto" });
  let last = 0;
  const whole = String(text);
  for (const found of whole.matchAll(HIDDEN)) {
    node.append(whole.slice(last, found.index), el("code", { class: "escaped" }, codePoint(found[0])));
    last = found.index + found[0].length;
  }
  node.append(whole.slice(last));
  const foreign = LATIN.test(whole) ? [...new Set(whole.match(LOOK_ALIKE) ?? [])] : [];
  if (foreign.length > 0) {
    const letters = foreign.map((letter) => `${letter} is ${codePoint(letter)}`).join(", ");
    node.append(" ", el("span", { class: "tag warn", title: letters }, "look-alike letters"));
  }
  return node;
}

const WIDE = { "&": "\uff06", "<": "\uff1c", ">": "\uff1e" };

// The text for plotly, which reads HTML in labels, and writes inline styles (that the page's policy
// refuses) where it finds even an escaped letter: signs that look the same are none to it.
export function label(text) {
  return visible(text).replace(/[&<>]/g, (sign) => WIDE[sign]);
}

export function amount(units, decimals) {
  const value = BigInt(units);
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, ",");
  const part = decimals > 0 ? `.${digits.slice(digits.length - decimals)}` : "";
  return `${value < 0n ? "-" : ""}${whole}${part}`;
}

// The smallest units of a decimal that a person wrote; null where it is none.
export function units(text, decimals) {
  const found = /^(\d+)(?:\.(\d+))?$/.exec(text.replaceAll(",", "").trim());
  if (found === null || (found[2] ?? "").length > decimals) return null;
  return BigInt(found[1] + (found[2] ?? "").padEnd(decimals, "0")).toString();
}

export function count(number) {
  return number === null || number === undefined ? "–" : BigInt(number).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

export function clock(time) {
  return el("time", { datetime: time, title: time }, time.slice(11, 19));
}

// The clock of what is of the last day, the date of what is older: a clock alone would pass for today's.
export function recent(time, now) {
  const isOld = Date.parse(now) - Date.parse(time) > DAY_MS;
  return el("time", { datetime: time, title: time }, isOld ? time.slice(0, 10) : time.slice(11, 19));
}

export function moment(time) {
  return el("time", { datetime: time, title: time }, `${time.slice(0, 10)} ${time.slice(11, 19)}`);
}

export function short(id, head = 8, tail = 6) {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

export function accountLink(account) {
  if (account === null || account === undefined) return el("span", { class: "muted" }, "–");
  return el("a", { href: `#/accounts/${encodeURIComponent(account)}`, class: "id", title: account }, short(account));
}

export function transactionLink(txid) {
  return el("a", { href: `#/transactions/${encodeURIComponent(txid)}`, class: "id", title: txid }, short(txid));
}

export function score(value) {
  return Number(value).toFixed(2);
}

export function percent(value) {
  return `${Math.round(Number(value) * 100)}%`;
}
