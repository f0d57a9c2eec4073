// Officers, by their keys.

import { el } from "./dom.js";
import { short } from "./format.js";
import { session } from "./session.js";

export function officer(key) {
  return el("span", { class: "id", title: key }, key === session.key ? "you" : short(key));
}
