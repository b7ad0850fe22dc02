/** Each input with its answer, in the order of the inputs; at most `concurrency` packs of them are asked for at a time.
 *
 * A pack leaves when it is full, or when nothing is under way: a slow source is answered at once, a fast one in packs.
 * The next answers and the next input are waited for together: a source that is slow holds back no answer. Throws the
 * reason of `signal`, what `ask` rejects with, and what the source throws, after the answers before it. */
export async function* inOrder<In, Out>(
  inputs: Iterable<In> | AsyncIterable<In>,
  { concurrency, signal, isFull, ask }: PackOptions<In, Out>,
): AsyncGenerator<[In, Out], void, undefined> {
  const source = Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  // A promise for each wait: one for all of them would hold on to every race that it took part in.
  let stop: (reason: unknown) => void = () => undefined;
  signal.addEventListener("abort", () => stop(signal.reason), { once: true });
  const asked: Promise<[In, Out][]>[] = [];
  let pack: In[] = [];
  let reading: Promise<IteratorResult<In> | { failure: unknown }> | null = null;
  let ended: { failure?: unknown } | null = null;
  try {
    while (ended === null || pack.length > 0 || asked.length > 0) {
      signal.throwIfAborted();
      const leaves = pack.length > 0 && (ended !== null || asked.length === 0 || isFull(pack));
      if (leaves && asked.length < concurrency) {
        asked.push(pairs(pack, ask));
        pack = [];
      }
      if (ended === null && !isFull(pack)) reading ??= next(source);
      const first = asked[0]?.then((answered) => ({ answered }));
      const stopped = new Promise<never>((_, reject) => (stop = reject));
      const event = await Promise.race([first, reading, stopped].filter((waited) => waited != null));
      if ("answered" in event) {
        asked.shift();
        yield* event.answered;
      } else {
        reading = null;
        if ("failure" in event) ended = event;
        else if (event.done) ended = {};
        else pack.push(event.value);
      }
    }
    if ("failure" in ended) throw ended.failure;
  } finally {
    // Not waited for: a source in the middle of a read returns when that has ended, which may be never.
    if (ended === null) void Promise.resolve(source.return?.()).catch(() => undefined);
  }
}

interface PackOptions<In, Out> {
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly isFull: (pack: readonly In[]) => boolean;
  readonly ask: (pack: readonly In[]) => Promise<Out[]>;
}

function pairs<In, Out>(pack: In[], ask: (pack: readonly In[]) => Promise<Out[]>): Promise<[In, Out][]> {
  const answered = ask(pack).then((answers) => answers.map((answer, place): [In, Out] => [pack[place] as In, answer]));
  answered.catch(() => undefined); // it is thrown in its turn, if that comes
  return answered;
}

async function next<In>(source: Iterator<In> | AsyncIterator<In>): Promise<IteratorResult<In> | { failure: unknown }> {
  try {
    return await source.next();
  } catch (failure) {
    return { failure };
  }
}
