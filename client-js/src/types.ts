/** What a caller hands over and what the service answers; a key that this version does not know is passed over. */

import { type MaxpoolError, refusal } from "./errors.js";

/** A sentence, or an encoded picture (PNG, JPEG, …) in any of the shapes that browsers and Node have for bytes. */
export type Input = string | Blob | ArrayBuffer | Uint8Array | ReadableStream<Uint8Array>;

export interface Score {
  readonly label: string;
  readonly index: number;
  readonly score: number;
}

/** A picture as the service found it, before it was turned and fitted. */
export interface Picture {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  readonly mode: string;
  readonly orientation: number;
}

export interface Sentence {
  readonly characters: number;
}

export interface Prediction extends Score {
  /** The best labels first, the first of them the prediction's own. */
  readonly top: readonly Score[];
  readonly model: string;
  readonly version: string;
  readonly input: Picture | Sentence | null;
  /** Milliseconds by step, of the whole request. */
  readonly timing: Readonly<Record<string, number>>;
}

export interface Model {
  readonly name: string;
  readonly version: string | null;
  readonly task: string | null;
  /** `ready`, or `refused` where the service could not prove it. */
  readonly status: string;
}

export interface ModelDetail extends Model {
  readonly labels: readonly string[];
  /** The model's model.json. */
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface Health {
  /** Whether every model in the service's folder is loaded and proven. */
  readonly ready: boolean;
  /** Why it is not ready; null if it is. */
  readonly reason: string | null;
}

/** What the service replied, its body read. */
export interface Reply {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Which keys are read, and no more: what is missing is found where it is used, by parsed() in client.ts. */
type Json = Record<string, any>;

export function parseAnswers(reply: Reply): (Prediction | MaxpoolError)[] {
  const body: Json = JSON.parse(reply.text);
  const timing = parseTiming(reply.headers.get("server-timing") ?? "");
  return body["predictions"].map((row: Json) =>
    "error" in row
      ? refusal(row["error"], { url: reply.url, status: row["code"], reason: row["reason"] ?? null })
      : {
          ...parseScore(row),
          top: row["top"].map(parseScore),
          model: body["model"],
          version: body["version"],
          input: row["input"] ?? null,
          timing,
        },
  );
}

export function parseModels(reply: Reply): Model[] {
  return JSON.parse(reply.text)["models"].map(parseModelStatus);
}

export function parseModel(reply: Reply): ModelDetail {
  const model: Json = JSON.parse(reply.text);
  return { ...parseModelStatus(model), labels: model["labels"] ?? [], spec: model["spec"] ?? {} };
}

function parseScore({ label, index, score }: Json): Score {
  if (typeof label !== "string" || typeof score !== "number") throw new TypeError("a score has no label");
  return { label, index, score };
}

function parseModelStatus({ name, version, task, status }: Json): Model {
  if (typeof name !== "string" || typeof status !== "string") throw new TypeError("a model has no name or no status");
  return { name, version: version ?? null, task: task ?? null, status };
}

function parseTiming(header: string): Record<string, number> {
  const steps = header.matchAll(/([\w-]+)\s*;\s*dur=(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g);
  return Object.fromEntries([...steps].map(([, step, milliseconds]) => [step, Number(milliseconds)]));
}
