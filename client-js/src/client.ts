/** The client: what is asked, of which model, and how long it may take. */

import { Connection, said } from "./connection.js";
import { Deadline } from "./deadline.js";
import { InvalidInput, refusal, type StatusError, TimedOut, UnexpectedAnswer } from "./errors.js";
import { check, type Input, load, type Loaded, several, single } from "./inputs.js";
import { inOrder } from "./ordered.js";
import {
  type Answer,
  type Health,
  type Model,
  type ModelDetail,
  parseAnswers,
  parseModel,
  parseModels,
  type Prediction,
} from "./types.js";

const LOCAL = "http://127.0.0.1:8000";
const MAX_INPUTS = 64; // in one request

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
  /** How many inputs are on their way at a time; 8 if not given. */
  readonly concurrency?: number | undefined;
}

export class Client {
  readonly #connection: Connection;
  readonly #timeout: number | null;

  constructor({ baseUrl = LOCAL, apiKey = null, timeout = 30_000, maxRetries = 2 }: ClientOptions = {}) {
    this.#connection = new Connection({ baseUrl, apiKey, maxRetries });
    this.#timeout = checkTimeout(timeout);
  }

  /** Classify a picture or a sentence. */
  classify(input: Input, options: ClassifyOptions): Promise<Prediction>;
  /** Classify pictures, or sentences, in order: a bad one among them has its error in its place. */
  classify(inputs: readonly Input[], options: ClassifyOptions): Promise<(Prediction | StatusError)[]>;
  async classify(
    given: Input | readonly Input[],
    options: ClassifyOptions,
  ): Promise<Prediction | (Prediction | StatusError)[]> {
    const path = predictPath(options);
    const many = isList(given);
    const inputs = many ? given : [given];
    inputs.forEach(check);
    if (new Set(inputs.map((input) => typeof input === "string")).size > 1) {
      throw new TypeError("the list has both pictures and sentences: no model takes both");
    }
    return this.#call(options, async (deadline) => {
      if (!many) {
        const [prediction] = await this.#predict(path, single(await load(given, deadline.signal)), 1, deadline);
        return prediction as Prediction; // what is wrong with a lone input is the answer of the request
      }
      const answers: (Prediction | StatusError)[] = [];
      for (let start = 0; start < inputs.length; start += MAX_INPUTS) {
        const slice = inputs.slice(start, start + MAX_INPUTS);
        const loaded = await Promise.all(slice.map((input) => load(input, deadline.signal)));
        answers.push(...(await this.#predictMany(path, loaded, deadline)));
      }
      return answers;
    });
  }

  /** Classify any number of inputs in constant memory, in order. What is wrong with one is an Error in its place: a
   * MaxpoolError, or what its own reading failed with. `timeout` is for each input. */
  async *classifyMany(
    inputs: Iterable<Input> | AsyncIterable<Input>,
    { concurrency = 8, signal, ...options }: ClassifyManyOptions,
  ): AsyncGenerator<Prediction | Error, void, undefined> {
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new TypeError(`concurrency is ${concurrency}: expected a whole number, 1 or more`);
    }
    predictPath(options); // what is wrong with the options is no input's fault
    const whole = new Deadline(null, signal, () => new Error());
    const ask = (input: Input): Promise<Prediction | Error> =>
      this.classify(input, { ...options, signal: whole.signal }).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error), { cause: error }),
      );
    try {
      yield* inOrder(inputs, { concurrency, signal: whole.signal, ask });
    } finally {
      whole.close(); // whoever stops taking answers wants no more of them
    }
  }

  async models(options: CallOptions = {}): Promise<Model[]> {
    return this.#call(options, async (deadline) =>
      parsed(await this.#connection.get("/v1/models", deadline), parseModels),
    );
  }

  async model(name: string, options: CallOptions = {}): Promise<ModelDetail> {
    const path = `/v1/models/${encodeURIComponent(name)}`;
    return this.#call(options, async (deadline) => parsed(await this.#connection.get(path, deadline), parseModel));
  }

  /** Whether the service takes work now, and why not. Rejects with ConnectionFailed where there is none. */
  async health(options: CallOptions = {}): Promise<Health> {
    // One look, no retries: who asks whether it is ready wants to know about now.
    const answer = await this.#call(options, (deadline) => this.#connection.look("/readyz", deadline));
    if (answer.status === 200) return { ready: true, reason: null };
    if (answer.status === 503) return { ready: false, reason: said(answer) };
    throw refusal(said(answer), answer);
  }

  async #call<Result>(
    { timeout = this.#timeout, signal }: CallOptions,
    run: (deadline: Deadline) => Promise<Result>,
  ): Promise<Result> {
    const url = this.#connection.baseUrl;
    const late = (): TimedOut => new TimedOut(`${url} did not answer within ${timeout} ms`, { url });
    const deadline = new Deadline(checkTimeout(timeout), signal, late);
    try {
      return await run(deadline);
    } finally {
      deadline.close();
    }
  }

  async #predictMany(path: string, loaded: Loaded[], deadline: Deadline): Promise<(Prediction | StatusError)[]> {
    try {
      return await this.#predict(path, several(loaded), loaded.length, deadline);
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      // The service answers a lone bad input with an error: in a list it takes its place like any other.
      if (loaded.length === 1 && error.status !== 415) return [error];
      if (loaded.length === 1 || error.status !== 413) throw error;
    }
    const half = loaded.length >> 1; // too large together is not too large apart
    const first = await this.#predictMany(path, loaded.slice(0, half), deadline);
    return [...first, ...(await this.#predictMany(path, loaded.slice(half), deadline))];
  }

  async #predict(
    path: string,
    body: ReturnType<typeof single>,
    count: number,
    deadline: Deadline,
  ): Promise<(Prediction | StatusError)[]> {
    const answer = await this.#connection.post(path, body, deadline);
    const answers = parsed(answer, parseAnswers);
    if (answers.length !== count) {
      throw new UnexpectedAnswer(`${count} inputs were sent, ${answers.length} answered`, { url: answer.url });
    }
    return answers;
  }
}

function predictPath({ model, version, topK }: ClassifyOptions): string {
  if (typeof model !== "string") {
    throw new TypeError(`the model is ${model}: expected its name, as in classify(input, { model: "lenet5-mnist" })`);
  }
  const place = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  const query = topK === undefined ? "" : `?top_k=${encodeURIComponent(topK)}`;
  return `/v1/models/${encodeURIComponent(model)}${place}/predict${query}`;
}

function isList(given: Input | readonly Input[]): given is readonly Input[] {
  return Array.isArray(given);
}

function checkTimeout(timeout: number | null): number | null {
  if (timeout === null || timeout > 0) return timeout;
  throw new TypeError(`timeout is ${timeout}: expected milliseconds above 0, or null to wait for ever`);
}

function parsed<Result>(answer: Answer, parse: (answer: Answer) => Result): Result {
  try {
    return parse(answer);
  } catch (cause) {
    throw new UnexpectedAnswer(`${answer.url} did not answer as Maxpool does: is baseUrl right?`, {
      url: answer.url,
      cause,
    });
  }
}
