/** Requests to one service, each sent again where that is safe and may help. */

import { type Deadline } from "./deadline.js";
import { ConnectionFailed, MaxpoolError, refusal } from "./errors.js";
import { type Body } from "./inputs.js";
import { RetryBudget, retryAfter, retryPause } from "./retries.js";
import { type Reply } from "./types.js";

const LONGEST_DEADLINE = 999_999_999; // milliseconds, more than eleven days: the service reads nine digits

export class Connection {
  readonly baseUrl: string;
  readonly #apiKey: string | null;
  readonly #maxRetries: number;
  readonly #budget = new RetryBudget();

  /** Throws TypeError for options that no request could be made of. */
  constructor({ baseUrl, apiKey, maxRetries }: { baseUrl: string; apiKey: string | null; maxRetries: number }) {
    if (!isHttp(baseUrl)) {
      throw new TypeError(`baseUrl is ${baseUrl}: expected http://host:port or https://host`);
    }
    if (!Number.isInteger(maxRetries) || maxRetries < 0) {
      throw new TypeError(`maxRetries is ${maxRetries}: expected a whole number, 0 or more`);
    }
    if (apiKey !== null && !/^[\x20-\x7e]+$/.test(apiKey)) {
      throw new TypeError("apiKey has characters that no header can carry: expected printable ASCII");
    }
    this.baseUrl = baseUrl.replace(/\/+$/, "");
    this.#apiKey = apiKey;
    this.#maxRetries = maxRetries;
  }

  get(path: string, deadline: Deadline): Promise<Reply> {
    return this.#send(() => this.look(path, deadline), deadline, this.#maxRetries);
  }

  post(path: string, body: Body, deadline: Deadline, maxRetries = this.#maxRetries): Promise<Reply> {
    return this.#send(() => this.#exchange(path, { method: "POST", body }, deadline), deadline, maxRetries);
  }

  /** One look, no retries, and a reply whatever its status. Rejects with ConnectionFailed. */
  look(path: string, deadline: Deadline): Promise<Reply> {
    return this.#exchange(path, { method: "GET" }, deadline);
  }

  async #send(exchange: () => Promise<Reply>, deadline: Deadline, maxRetries: number): Promise<Reply> {
    for (let attempt = 0; ; attempt++) {
      try {
        const reply = successful(await exchange());
        this.#budget.earn();
        return reply;
      } catch (error) {
        if (!(error instanceof MaxpoolError) || deadline.signal.aborted) throw error;
        const pause = retryPause(error, attempt);
        // Who must be answered by then is told what happened now, not after a pause that leaves no time.
        const late = pause === null || pause >= deadline.left;
        if (late || attempt >= maxRetries || !this.#budget.spend()) throw error;
        await deadline.pause(pause);
      }
    }
  }

  async #exchange(path: string, { method, body }: { method: string; body?: Body }, deadline: Deadline): Promise<Reply> {
    const url = this.baseUrl + path;
    const headers = new Headers({ accept: "application/json" });
    if (this.#apiKey !== null) headers.set("authorization", `Bearer ${this.#apiKey}`);
    if (body?.type != null) headers.set("content-type", body.type);
    if (deadline.left < Infinity) {
      // By when an answer is still of use.
      const left = Math.min(Math.max(1, Math.floor(deadline.left)), LONGEST_DEADLINE);
      headers.set("x-request-timeout-ms", String(left));
    }
    deadline.signal.throwIfAborted();
    try {
      const response = await fetch(url, { method, headers, body: body?.content ?? null, signal: deadline.signal });
      return { url, status: response.status, headers: response.headers, text: await response.text() };
    } catch (cause) {
      deadline.signal.throwIfAborted();
      throw new ConnectionFailed(`could not talk to ${this.baseUrl}: ${reason(cause)}`, { url, cause });
    }
  }
}

function isHttp(url: string): boolean {
  try {
    return /^https?:\/\//i.test(url) && new URL(url).host !== "";
  } catch {
    return false;
  }
}

function successful(reply: Reply): Reply {
  if (reply.status >= 200 && reply.status < 300) return reply;
  const { url, status } = reply;
  throw refusal(said(reply), { url, status, retryAfter: retryAfter(reply.headers), reason: reasonOf(reply) });
}

/** What the service says is wrong. */
export function said({ url, status, text }: Reply): string {
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string") return error;
  } catch {
    // a proxy in between answers with a page of HTML
  }
  return `${url} answered ${status}`;
}

function reasonOf({ text }: Reply): string | null {
  try {
    const { reason } = JSON.parse(text);
    return typeof reason === "string" ? reason : null;
  } catch {
    return null;
  }
}

/** Node's fetch says no more than "fetch failed"; its cause has the rest. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause;
  if (cause instanceof Error) return "code" in cause ? String(cause.code) : cause.message;
  return error.message;
}
