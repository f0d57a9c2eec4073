// Forms that change something at the node.

import { el } from "./dom.js";
import { refusal } from "./refusals.js";

// A panel that does what a form asks, or says why the node refuses it, in its own place.
export function acting(act) {
  const fault = el("div", { "aria-live": "assertive" });
  const run = async (...given) => {
    fault.replaceChildren();
    try {
      await act(...given);
    } catch (error) {
      fault.replaceChildren(refusal(error));
    }
  };
  return { fault, run };
}
