// What a caller's compiler is to accept, and to refuse. Compiled by tests/clientjs/test_readme.py, never run.
import { Client, InvalidInput, MaxpoolError, Overloaded, type Prediction } from "maxpool-client";

const client = new Client({ apiKey: "key", timeout: null, maxRetries: 0 });

export async function results(picture: File, given: (string | Blob)[]): Promise<string> {
  const one: Prediction = await client.classify(picture, { model: "m", version: 2, topK: 1 });
  const many: (Prediction | MaxpoolError)[] = await client.classify([picture.stream()], { model: "m" });
  for await (const [input, answer] of client.classifyMany(given, { model: "m", concurrency: 2 })) {
    const back: string | Blob = input;
    if (answer instanceof Overloaded) return String(answer.retryAfter?.toFixed());
    if (answer instanceof InvalidInput) return answer.status.toFixed();
    if (!(answer instanceof Error)) return answer.top.map(({ label }) => label).join() + back;
  }
  return one.label + many.length + one.timing["infer"]?.toFixed();
}

export async function refused(): Promise<void> {
  // @ts-expect-error a model is always named
  await client.classify("a sentence", {});
  // @ts-expect-error a number is no input
  await client.classify(7, { model: "m" });
  // @ts-expect-error an answer may be an error
  (await client.classify(["a sentence"], { model: "m" }))[0]?.label;
  // @ts-expect-error results are not to be changed
  (await client.classify("a sentence", { model: "m" })).label = "other";
}
