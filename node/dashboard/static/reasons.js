// Why: the reasons of a score as bars.

import { el } from "./dom.js";
import { percent, said, visible } from "./format.js";

// A bar a reason, as long as its share of the score; the shares add up to the score.
export function reasonBars(reasons, whole) {
  const most = Math.max(...reasons.map((reason) => Math.abs(reason.contribution)), Number.EPSILON);
  return el("ul", { class: "reasons" }, [...reasons]
    .sort((a, b) => b.contribution - a.contribution)
    .map((reason) => {
      const bar = el("span", { class: reason.contribution < 0 ? "bar less" : "bar", "aria-hidden": "true" });
      bar.style.setProperty("--share", `${(Math.abs(reason.contribution) / most) * 100}%`);
      return el("li", { "data-feature": reason.feature },
        el("span", { class: "why" }, said(reason.text)),
        el("span", { class: "feature" }, visible(reason.feature).replaceAll("_", " ")),
        bar,
        el("span", { class: "share", title: `contribution ${reason.contribution.toFixed(3)} of ${whole.toFixed(3)}` },
          `${reason.contribution < 0 ? "−" : "+"}${Math.abs(reason.contribution).toFixed(2)}`,
          whole > 0 ? el("span", { class: "note" }, ` ${percent(reason.contribution / whole)}`) : null));
    }));
}
