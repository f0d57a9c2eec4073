// The node's HTTP API: requests with the token, refusals as they are documented, streams that go on.

import { session } from "./session.js";

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 15_000;
const SAVING_MS = 60_000;

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.fields = problem.errors ?? [];
  }
}

async function ask(path, { parameters = {}, method = "GET", body, headers = {}, signal } = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  const token = session.token;
  if (token !== null) headers = { ...headers, Authorization: `Bearer ${token}` };
  const answer = await fetch(query ? `${path}?${query}` : path, {
    method, body, headers, signal, credentials: "omit", cache: "no-store", redirect: "error",
  });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    const refused = new Refused(answer.status, problem);
    if (answer.status === 401 && token !== null) session.close(refused.code, token);
    throw refused;
  }
  return answer;
}

export async function get(path, parameters = {}, signal = undefined) {
  return (await ask(path, { parameters, signal })).json();
}

// The same work one at a time: who asks meanwhile is answered by one more, and not by one each.
export function oneAtATime(work) {
  let running = null;
  let again = false;
  return () => {
    if (running !== null) {
      again = true;
      return running;
    }
    running = (async () => {
      do {
        again = false;
        await work();
      } while (again);
    })().finally(() => { running = null; });
    return running;
  };
}

export async function post(path, content, signal = undefined) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(path, { method: "POST", body: JSON.stringify(content), headers, signal })).json();
}

// Save what a path gives as a file; the browser asks for it with the token, which a link could not.
export async function save(path, name) {
  saveBlob(name, await (await ask(path)).blob());
}

export function saveBlob(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), SAVING_MS);
}

// Follow a stream of events until the signal, through interruptions, each event once.
export async function follow(path, { parameters, lastId = null, signal, onEvent, onState }) {
  let pause = RETRY_MS;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream" };
      if (lastId !== null) headers["Last-Event-ID"] = lastId;
      const answer = await ask(path, { parameters, headers, signal });
      onState("live");
      for await (const event of events(answer.body)) {
        if (event.id !== null) lastId = event.id;
        pause = RETRY_MS;
        onEvent(event.name, event.data);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status < 500 && error.status !== 429) {
        onState("refused", error);
        return;
      }
    }
    if (signal.aborted) return;
    onState("waiting");
    await new Promise((resume) => setTimeout(resume, pause));
    pause = Math.min(2 * pause, RETRY_MS_MAX);
  }
}

// Server-Sent Events (WHATWG HTML, section 9.2.6), read from a fetch because EventSource sends no token.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      let end;
      while ((end = rest.indexOf("\n\n")) >= 0) {
        const event = parsed(rest.slice(0, end));
        rest = rest.slice(end + 2);
        if (event !== null) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(text) {
  const event = { name: "message", id: null, data: [] };
  for (const line of text.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "event") event.name = value;
    else if (name === "id") event.id = value;
    else if (name === "data") event.data.push(value);
  }
  return event.data.length === 0 ? null : { ...event, data: JSON.parse(event.data.join("\n")) };
}
