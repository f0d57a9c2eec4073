// Who reads. The token is in this module's memory and nowhere else: no cookie, no storage, no address.

const EXPIRING_MS = 60_000;

class Session extends EventTarget {
  #token = null;
  #timer = null;
  ends = null;
  subject = null;
  key = null;
  reason = null;

  get token() {
    return this.#token;
  }

  get isOpen() {
    return this.#token !== null;
  }

  get leftMs() {
    return this.ends === null ? null : this.ends.getTime() - Date.now();
  }

  get isExpiring() {
    return this.isOpen && this.leftMs < EXPIRING_MS;
  }

  // Take a token; false where the text is none. Whether it holds, only the node can tell.
  open(text) {
    const token = text.trim().replace(/^.*#token=/s, "");
    const claims = partOf(token, 1);
    if (!Number.isFinite(claims?.exp)) return false;
    this.#token = token;
    this.ends = new Date(claims.exp * 1000);
    this.subject = String(claims.sub ?? "");
    this.key = String(partOf(token, 0)?.kid ?? "");
    this.reason = null;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close("expired"), Math.max(0, this.leftMs));
    this.dispatchEvent(new Event("opened"));
    return true;
  }

  close(reason, of = this.#token) {
    if (this.#token === null || of !== this.#token) return;
    clearTimeout(this.#timer);
    this.#token = null;
    this.reason = reason;
    this.dispatchEvent(new Event("closed"));
  }
}

// The header (0) or the claims (1) of a token; null where the text is none.
function partOf(token, index) {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const text = atob(parts[index].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  } catch {
    return null;
  }
}

export const session = new Session();
