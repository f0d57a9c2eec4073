// Signing in with a token, and the line that says how long it holds.

import { el, heading } from "./dom.js";
import { visible } from "./format.js";
import { session } from "./session.js";

const TICK_MS = 1_000;
const REASONS = {
  expired: "Your token has ended. What you see stays; nothing new comes.",
  token_expired: "Your token has ended. What you see stays; nothing new comes.",
  forbidden: "This token is not one of a regulator's officer.",
  signed_out: "You are signed out. What you see stays; nothing new comes.",
};

let ticking = null;

function form(id, after) {
  const input = el("input", {
    id, type: "password", autocomplete: "off", spellcheck: "false", required: true, name: "token",
    "aria-describedby": `${id}-fault`,
  });
  const fault = el("p", { id: `${id}-fault`, class: "fault", role: "alert" });
  return el("form", {
    class: "paste",
    submit: (event) => {
      event.preventDefault();
      const text = input.value;
      input.value = "";
      if (session.open(text)) after();
      else fault.textContent = "That is no token. Paste the whole of what the command printed.";
    },
  }, el("label", { for: id }, "Token"), input, el("button", { type: "submit" }, "Sign in"), fault);
}

function commands() {
  return el("ul", { class: "commands" },
    el("li", {}, el("code", {}, "sunlit audit dashboard"), " opens this page signed in"),
    el("li", {}, el("code", {}, `sunlit wallet token --as regulator --node ${location.origin}`), " prints a token to paste here"));
}

export function showSignIn(root) {
  root.append(el("section", { class: "panel signin", "aria-label": "Sign in" },
    heading("Sign in"),
    el("p", {}, "A regulator's officer reads this page with a token that their key signs. It lasts ten minutes and stays in this page's memory only."),
    commands(),
    form("token", () => {})));
}

export function showSession() {
  const place = document.getElementById("session");
  const notice = document.getElementById("notice");
  clearInterval(ticking);
  if (!session.isOpen) {
    place.replaceChildren(el("span", { class: "muted" }, "signed out"));
    if (session.reason === null) return;
    const text = REASONS[session.reason] ?? `The node refused the token: ${visible(session.reason)}.`;
    notice.replaceChildren(el("section", { class: "ended", "aria-label": "Token ended" },
      el("p", {}, el("b", {}, text), " Get another:"), commands(),
      form("token-again", () => notice.replaceChildren())));
    return;
  }
  notice.replaceChildren();
  const left = el("span", { class: "left" });
  const out = el("button", { type: "button", class: "quiet", click: () => session.close("signed_out") }, "Sign out");
  const tick = () => {
    const seconds = Math.max(0, Math.floor(session.leftMs / 1000));
    left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
    left.classList.toggle("warn", session.isExpiring);
  };
  tick();
  ticking = setInterval(tick, TICK_MS);
  place.replaceChildren(el("span", { title: "who is signed in" }, visible(session.subject)), left, out);
}
