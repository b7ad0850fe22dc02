/** A stream of inputs, packed into requests: what it holds at a time does not grow with the stream. */

import { Deadline } from "./deadline.js";
import { InvalidInput, type MaxpoolError, ServerError, StatusError, TimedOut } from "./errors.js";
import { check, load, type Loaded, size } from "./inputs.js";
import { inOrder } from "./ordered.js";
import { outlast } from "./retries.js";
import { type Input, type Prediction } from "./types.js";

const PACK_INPUTS = 64;
const PACK_BYTES = 1024 * 1024; // an input that is larger travels alone, or with those that came just before it

export interface StreamOptions {
  readonly concurrency: number;
  readonly patience: number;
  readonly signal: AbortSignal | undefined;
  /** One request for all that is loaded, not retried. */
  readonly predict: (loaded: readonly Loaded[], signal: AbortSignal) => Promise<(Prediction | MaxpoolError)[]>;
}

export async function* stream<Given extends Input>(
  inputs: Iterable<Given> | AsyncIterable<Given>,
  { concurrency, patience, signal, predict }: StreamOptions,
): AsyncGenerator<[Given, Prediction | Error], void, undefined> {
  const whole = new Deadline(null, signal);
  let room = PACK_INPUTS; // less, once the service has found a pack too large

  async function predicted(loaded: readonly Loaded[]): Promise<(Prediction | MaxpoolError)[]> {
    if (loaded.length === 0) return [];
    const half = loaded.length >> 1;
    try {
      return await outlast(() => predict(loaded, whole.signal), { patience, whole });
    } catch (error) {
      if (whole.signal.aborted || !isOfInput(error)) throw error;
      if (loaded.length === 1 || error instanceof TimedOut) return loaded.map(() => error);
      if (error.status === 413) room = Math.min(room, loaded.length - half);
    }
    // Too large together is not too large apart, and one that the service fails on shall not spoil the others.
    return [...(await predicted(loaded.slice(0, half))), ...(await predicted(loaded.slice(half)))];
  }

  async function ask(pack: readonly Given[]): Promise<(Prediction | Error)[]> {
    const loaded = await Promise.all(pack.map((input) => loadOrError(input, whole.signal)));
    whole.signal.throwIfAborted();
    const sentences = (await predicted(loaded.filter((each) => typeof each === "string"))).values();
    const pictures = (await predicted(loaded.filter((each) => each instanceof Uint8Array))).values();
    return loaded.map((each) => {
      if (each instanceof Error) return each;
      return (typeof each === "string" ? sentences : pictures).next().value as Prediction | MaxpoolError;
    });
  }

  const isFull = (pack: readonly Given[]): boolean =>
    pack.length >= room || pack.reduce((bytes, input) => bytes + size(input), 0) >= PACK_BYTES;
  try {
    yield* inOrder(inputs, { concurrency, signal: whole.signal, isFull, ask });
  } finally {
    whole.close(); // whoever stops taking answers wants no more of them
  }
}

async function loadOrError(input: Input, signal: AbortSignal): Promise<Loaded | Error> {
  try {
    check(input);
    return await load(input, signal);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error), { cause: error });
  }
}

/** Whether another input may fare better. */
function isOfInput(error: unknown): error is TimedOut | StatusError {
  if (error instanceof ServerError) return error.status !== 502; // of a gateway that was waited for in vain
  return error instanceof InvalidInput || error instanceof TimedOut;
}
