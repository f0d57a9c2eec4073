// What the node refuses, said where its answer would have been.

import { Refused } from "./api.js";
import { el } from "./dom.js";
import { visible } from "./format.js";

export function refusal(error) {
  if (!(error instanceof Refused)) {
    return el("p", { class: "refused", role: "alert" }, "The node does not answer. ", visible(error.message));
  }
  const fields = error.fields.map((field) => `${field.pointer}: ${field.message}`).join("; ");
  const hint = error.code === "analytics_disabled"
    ? " Analytics run at the regulator's own node: open the dashboard there." : "";
  return el("p", { class: "refused", role: "alert", "data-code": error.code },
    visible([error.message, fields].filter(Boolean).join(" ")), hint, " ", el("code", {}, error.code));
}
