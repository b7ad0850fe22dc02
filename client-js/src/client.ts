/** The client: what is asked, of which model, and how long it may take. */

import { Connection, said } from "./connection.js";
import { Deadline } from "./deadline.js";
import { InvalidInput, type MaxpoolError, refusal, TimedOut, UnexpectedAnswer } from "./errors.js";
import { type Body, bodyOf, check, load, type Loaded, several, single } from "./inputs.js";
import {
  type CallOptions,
  checkTimeout,
  type ClassifyManyOptions,
  type ClassifyOptions,
  type ClientOptions,
  modelPath,
  type ModelOptions,
  predictPath,
} from "./options.js";
import { stream, type StreamOptions } from "./stream.js";
import {
  type Health,
  type Input,
  type Model,
  type ModelDetail,
  parseAnswers,
  parseModel,
  parseModels,
  type Prediction,
  type Reply,
} from "./types.js";

const LOCAL = "http://127.0.0.1:8000";
const MAX_INPUTS = 64; // in one request

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
  classify(inputs: readonly Input[], options: ClassifyOptions): Promise<(Prediction | MaxpoolError)[]>;
  async classify(
    given: Input | readonly Input[],
    options: ClassifyOptions,
  ): Promise<Prediction | (Prediction | MaxpoolError)[]> {
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
        return prediction as Prediction; // what is wrong with a lone input is what its request is answered with
      }
      const answers: (Prediction | MaxpoolError)[] = [];
      for (let start = 0; start < inputs.length; start += MAX_INPUTS) {
        const slice = inputs.slice(start, start + MAX_INPUTS);
        const loaded = await Promise.all(slice.map((input) => load(input, deadline.signal)));
        answers.push(...(await this.#predictMany(path, loaded, deadline)));
      }
      return answers;
    });
  }

  /** Classify any number of inputs in constant memory: each with its answer, in order.
   *
   * What is wrong with one input is an Error in place of its answer, and the next one follows. A service that is gone
   * or busy is waited for up to `patience`, after which ConnectionFailed or Overloaded is thrown; `timeout` is of each
   * try.
   */
  classifyMany<Given extends Input>(
    inputs: Iterable<Given> | AsyncIterable<Given>,
    { concurrency = 6, patience = 60_000, timeout = this.#timeout, signal, ...options }: ClassifyManyOptions,
  ): AsyncGenerator<[Given, Prediction | Error], void, undefined> {
    const path = predictPath(options);
    checkTimeout(timeout);
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new TypeError(`concurrency is ${concurrency}: expected a whole number, 1 or more`);
    }
    if (!(patience > 0)) throw new TypeError(`patience is ${patience}: expected milliseconds above 0`);
    if (typeof inputs === "string" || inputs instanceof Uint8Array) {
      throw new TypeError("the inputs are a single one: expected an iterable of inputs, or else use classify");
    }
    const predict: StreamOptions["predict"] = (loaded, signal) =>
      this.#call({ timeout, signal }, (deadline) => this.#predict(path, bodyOf(loaded), loaded.length, deadline, 0));
    return stream(inputs, { concurrency, patience, signal, predict });
  }

  async models(options: CallOptions = {}): Promise<Model[]> {
    return this.#call(options, async (deadline) =>
      parsed(await this.#connection.get("/v1/models", deadline), parseModels),
    );
  }

  async model(name: string, { version, ...options }: ModelOptions = {}): Promise<ModelDetail> {
    const path = modelPath(name, version);
    return this.#call(options, async (deadline) => parsed(await this.#connection.get(path, deadline), parseModel));
  }

  /** Whether the service takes work now, and why not. Rejects with ConnectionFailed where there is none. */
  async health(options: CallOptions = {}): Promise<Health> {
    // One look, no retries: who asks how it is wants to know about now.
    const reply = await this.#call(options, (deadline) => this.#connection.look("/readyz", deadline));
    if (reply.status === 200) return { ready: true, reason: null };
    if (reply.status === 503) return { ready: false, reason: said(reply) };
    throw refusal(said(reply), reply);
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

  async #predictMany(path: string, loaded: Loaded[], deadline: Deadline): Promise<(Prediction | MaxpoolError)[]> {
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
    body: Body,
    count: number,
    deadline: Deadline,
    maxRetries?: number,
  ): Promise<(Prediction | MaxpoolError)[]> {
    const reply = await this.#connection.post(path, body, deadline, maxRetries);
    const answers = parsed(reply, parseAnswers);
    if (answers.length !== count) {
      throw new UnexpectedAnswer(`${count} inputs were sent, ${answers.length} answered`, { url: reply.url });
    }
    return answers;
  }
}

function isList(given: Input | readonly Input[]): given is readonly Input[] {
  return Array.isArray(given);
}

function parsed<Result>(reply: Reply, parse: (reply: Reply) => Result): Result {
  try {
    return parse(reply);
  } catch (cause) {
    throw new UnexpectedAnswer(`${reply.url} did not answer as Maxpool does: is baseUrl right?`, {
      url: reply.url,
      cause,
    });
  }
}
