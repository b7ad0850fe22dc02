/** The end of a call: after `timeout` milliseconds, or when the caller's signal says so, whichever comes first. */

import { onAbort } from "./abort.js";

const LONGEST_TIMER = 2 ** 31 - 1; // a longer one fires at once

export class Deadline {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #end: number;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #forget: (() => void) | undefined;

  /** `late` makes the reason to abort with when time is up; with a timeout of null it never is. */
  constructor(timeout: number | null, caller: AbortSignal | undefined, late?: () => Error) {
    this.signal = this.#controller.signal;
    this.#end = timeout === null ? Infinity : performance.now() + timeout;
    if (caller !== undefined) {
      const obey = (): void => this.#controller.abort(caller.reason);
      if (caller.aborted) obey();
      this.#forget = onAbort(caller, obey);
    }
    if (timeout !== null) {
      this.#timer = setTimeout(() => this.#controller.abort(late?.()), Math.min(timeout, LONGEST_TIMER));
    }
  }

  /** Milliseconds. */
  get left(): number {
    return this.#end - performance.now();
  }

  /** Rejects with the reason to stop, if there is one before the pause is over. */
  async pause(milliseconds: number): Promise<void> {
    this.signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        forget();
        resolve();
      }, milliseconds);
      const forget = onAbort(this.signal, () => {
        clearTimeout(timer);
        reject(this.signal.reason);
      });
    });
  }

  /** Ends what still goes on, and leaves neither a timer nor a listener behind. */
  close(): void {
    clearTimeout(this.#timer);
    this.#forget?.();
    this.#controller.abort();
  }
}
