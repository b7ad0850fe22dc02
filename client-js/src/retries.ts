/** Whether to ask again, and when. */

import { type Deadline } from "./deadline.js";
import { ConnectionFailed, MaxpoolError, Overloaded, ServerError, TimedOut } from "./errors.js";

const FIRST_PAUSE = 250; // milliseconds
const LONGEST_PAUSE = 8_000;
const LONGEST_WAIT = 60; // seconds; a service that asks for more is not waited for

/** At most one retry in ten requests, after a first ten (Google's SRE book, chapter 21): clients that all try again
 * must not be what keeps a service down. One for all calls of a client. */
export class RetryBudget {
  static readonly #full = 10;
  #retries = RetryBudget.#full;

  /** By a request that succeeded. */
  earn(): void {
    this.#retries = Math.min(this.#retries + 0.1, RetryBudget.#full);
  }

  /** Whether there was a retry left. */
  spend(): boolean {
    if (this.#retries < 1 - 1e-9) return false; // ten tenths are a little less than one
    this.#retries -= 1;
    return true;
  }
}

/** How many milliseconds to wait before asking again; null when that would not help. */
export function retryPause(error: MaxpoolError, attempt: number): number | null {
  if (!(isOutage(error) || (error instanceof TimedOut && error.status === 504))) return null;
  const backoff = Math.min(FIRST_PAUSE * 2 ** Math.min(attempt, 8), LONGEST_PAUSE) * (1 - Math.random() / 2);
  // On top of what was asked for, or all who were turned away come back at the same moment.
  const asked = (error instanceof Overloaded && error.retryAfter) || 0;
  return asked <= LONGEST_WAIT ? asked * 1000 + backoff : null;
}

/** Asks again as long as the service is gone or busy, until it has been so for `patience` milliseconds. */
export async function outlast<Result>(
  ask: () => Promise<Result>,
  { patience, whole }: { patience: number; whole: Deadline },
): Promise<Result> {
  let end: number | null = null;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (whole.signal.aborted || !(error instanceof MaxpoolError && isOutage(error))) throw error;
      end ??= performance.now() + patience;
      const pause = retryPause(error, attempt);
      if (pause === null || performance.now() + pause >= end) throw error;
      await whole.pause(pause);
    }
  }
}

/** Whether the service is gone or busy, whatever is asked of it. */
export function isOutage(error: MaxpoolError): boolean {
  return (
    error instanceof ConnectionFailed ||
    error instanceof Overloaded ||
    (error instanceof ServerError && error.status === 502)
  );
}

/** Seconds; null without a header, or for one that holds a date, which needs two clocks that agree. */
export function retryAfter(headers: Headers): number | null {
  const seconds = headers.get("retry-after") ?? "";
  return /^\d+(\.\d+)?$/.test(seconds) ? Number(seconds) : null;
}
