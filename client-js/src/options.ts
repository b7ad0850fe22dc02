/** What a caller may ask for, checked, and the path of a request for it. */

export interface ClientOptions {
  /** Of the service; http://127.0.0.1:8000 if not given. */
  readonly baseUrl?: string | undefined;
  /** Sent as `Authorization: Bearer …`. */
  readonly apiKey?: string | null | undefined;
  /** Milliseconds for a whole call, its retries included; 30,000 if not given, null for ever. */
  readonly timeout?: number | null | undefined;
  /** How often one request is sent again; 2 if not given. */
  readonly maxRetries?: number | undefined;
}

export interface CallOptions {
  /** Milliseconds for this call, in place of the client's. */
  readonly timeout?: number | null | undefined;
  /** Ends the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface ClassifyOptions extends CallOptions {
  readonly model: string;
  /** The newest if not given. */
  readonly version?: string | number | undefined;
  /** How many labels to answer with; 5 if not given. */
  readonly topK?: number | undefined;
}

export interface ClassifyManyOptions extends ClassifyOptions {
  /** How many requests, of up to 64 inputs each, are under way; 6 if not given, a browser's connections. */
  readonly concurrency?: number | undefined;
  /** Milliseconds for which a service that is gone or busy is waited for; 60,000 if not given. */
  readonly patience?: number | undefined;
}

export interface ModelOptions extends CallOptions {
  /** The newest if not given. */
  readonly version?: string | number | undefined;
}

export function checkTimeout(timeout: number | null): number | null {
  if (timeout === null || timeout > 0) return timeout;
  throw new TypeError(`timeout is ${timeout}: expected milliseconds above 0, or null to wait for ever`);
}

export function predictPath({ model, version, topK }: ClassifyOptions): string {
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new TypeError(`topK is ${topK}: expected a whole number, 1 or more`);
  }
  return `${modelPath(model, version)}/predict${topK === undefined ? "" : `?top_k=${topK}`}`;
}

export function modelPath(model: string, version: string | number | undefined): string {
  if (typeof model !== "string") {
    throw new TypeError(`the model is ${model}: expected its name, as in classify(input, { model: "lenet5-mnist" })`);
  }
  const place = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return `/v1/models/${encodeURIComponent(model)}${place}`;
}
