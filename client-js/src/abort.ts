const followers = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `stop` when the signal is aborted, unless what this returns is called first.
 *
 * One listener on a signal serves all who follow it: at the eleventh Node warns of a leak, and a caller may well give
 * one signal to a hundred calls. */
export function onAbort(signal: AbortSignal, stop: () => void): () => void {
  const all = followers.get(signal) ?? new Set();
  if (!followers.has(signal)) {
    followers.set(signal, all);
    signal.addEventListener("abort", () => all.forEach((each) => each()), { once: true });
  }
  all.add(stop);
  return () => void all.delete(stop);
}
