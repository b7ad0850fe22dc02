type Read<In> = IteratorResult<In> | { failure: unknown };

/** The answers in the order of the inputs, at most `concurrency` asked for or waiting to be taken at a time.
 *
 * The next answer and the next input are waited for together: a source that is slow holds back no answer.
 * `ask` never rejects, and ends early when `signal` is aborted. Throws the signal's reason, and what the source throws,
 * the latter after the answers to what came before it. */
export async function* inOrder<In, Out>(
  inputs: Iterable<In> | AsyncIterable<In>,
  { concurrency, signal, ask }: { concurrency: number; signal: AbortSignal; ask: (input: In) => Promise<Out> },
): AsyncGenerator<Out, void, undefined> {
  const source = Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  const asked: Promise<Out>[] = [];
  let reading: Promise<Read<In>> | null = null;
  let ended: { failure?: unknown } | null = null;
  try {
    while (ended === null || asked.length > 0) {
      if (ended === null && asked.length < concurrency) reading ??= read(source, signal);
      const first = asked[0]?.then((answer) => ({ answer }));
      const event = await Promise.race([first, reading].filter((waited) => waited != null));
      signal.throwIfAborted();
      if ("answer" in event) {
        asked.shift();
        yield event.answer;
      } else {
        reading = null;
        if ("failure" in event) ended = event;
        else if (event.done) ended = {};
        else asked.push(ask(event.value));
      }
    }
    if ("failure" in ended) throw ended.failure;
  } finally {
    // Not waited for: a source in the middle of a read returns when that has ended, which may be never.
    if (ended === null) void Promise.resolve(source.return?.()).catch(() => undefined);
  }
}

/** Never rejects. A listener for each read and not one for all: what races against one promise for ever is never freed. */
async function read<In>(source: Iterator<In> | AsyncIterator<In>, signal: AbortSignal): Promise<Read<In>> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([source.next(), aborted]);
  } catch (failure) {
    return { failure };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
