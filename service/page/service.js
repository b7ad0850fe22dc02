// The service that this page came from: one function a question. The key, where one is needed, is known here alone,
// as long as the page is open.

const TRIES = 3; // of a request that was refused because too many came
const LONGEST = 5; // seconds that are waited between two of them

let key = "";
let askForKey = () => Promise.reject(new Failure(401, "Unauthorized", "the service wants a key"));
let asking = null;

export class Failure extends Error {
  constructor(status, reason, message) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export const hasKey = () => key !== "";

/** `ask(words)` gives the key that the person typed. */
export function useKeysOf(ask) {
  askForKey = ask;
}

/** The answer to a request, a Response that is ok. Throws Failure, or AbortError. */
export async function request(path, { method = "GET", body, type, signal } = {}) {
  for (let tried = 1; ; tried++) {
    const headers = {};
    if (type) headers["content-type"] = type;
    const used = key;
    if (used) headers.authorization = `Bearer ${used}`;
    let answer;
    try {
      answer = await fetch(path, { method, body, headers, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure(0, "ConnectionFailed", "The server does not answer. Is it running? Try again when it is.");
    }
    if (answer.ok) return answer;
    const failure = await failureOf(answer);
    if (answer.status === 401) {
      if (used === key) await newKey(used ? failure.message : "");
      tried = 0;
    } else if ((answer.status === 503 || answer.status === 429) && tried < TRIES) {
      const seconds = Number(answer.headers.get("retry-after") ?? 1);
      await pause(Math.min(seconds, LONGEST) * 1000, signal);
    } else throw failure;
  }
}

/** Requests that are refused at the same time ask the person once. */
async function newKey(words) {
  asking ??= askForKey(words).finally(() => (asking = null));
  key = await asking;
}

async function failureOf(answer) {
  const told = await answer.json().catch(() => ({}));
  return new Failure(answer.status, told.reason ?? "", told.error ?? `The server answered ${answer.status}.`);
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}

const json = async (...asked) => (await request(...asked)).json();
const pathOf = (model) => `/v1/models/${encodeURIComponent(model)}`;

export const models = async () => (await json("/v1/models")).models;
export const details = (model, signal) => json(pathOf(model), { signal });
export const examples = async (model, signal) => (await json(`${pathOf(model)}/examples`, { signal })).examples;
export const live = async (signal) => (await json("/v1/live", { signal })).models;

export async function examplePicture(model, index, signal) {
  return (await request(`${pathOf(model)}/examples/${index}`, { signal })).blob();
}

function sent(input, signal) {
  return input.kind === "image"
    ? { method: "POST", body: input.blob, type: "application/octet-stream", signal }
    : { method: "POST", body: input.text, type: "text/plain; charset=utf-8", signal };
}

/** A prediction with `timing`: milliseconds of decode, queue and infer as the server says, and `total` as seen here. */
export async function predict(model, input, { labels = 5, signal } = {}) {
  const start = performance.now();
  const answer = await request(`${pathOf(model)}/predict?top_k=${labels}`, sent(input, signal));
  const told = await answer.json();
  const timing = { total: performance.now() - start };
  for (const [, stage, milliseconds] of (answer.headers.get("server-timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g))
    timing[stage] = Number(milliseconds);
  return { ...told.predictions[0], timing, document: told };
}

/** `asked`: target, layers, channels, methods, format, palette, scale, as docs/inspect.md has them. */
export function inspect(model, input, asked, signal) {
  return json(`${pathOf(model)}/inspect?${new URLSearchParams(asked)}`, sent(input, signal));
}
