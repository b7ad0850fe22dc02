/** What a caller may hand over -> what is loaded of it -> the body of a request. */

import { onAbort } from "./abort.js";
import { type Input } from "./types.js";

export type Loaded = string | Uint8Array<ArrayBuffer>;

export interface Body {
  readonly content: BodyInit;
  /** null where fetch names the type itself, with its boundary. */
  readonly type: string | null;
}

/** Throws TypeError for what can not be sent. Reads nothing, so that a long list is checked at once. */
export function check(input: unknown): asserts input is Input {
  if (typeof input === "string") {
    const place = input.search(/\p{Surrogate}/u);
    if (place >= 0) throw new TypeError(`the sentence has a lone surrogate (character ${place}): it can not be sent`);
    return;
  }
  if (
    input instanceof Blob ||
    input instanceof ArrayBuffer ||
    input instanceof Uint8Array ||
    input instanceof ReadableStream
  )
    return;
  const kind = input === null ? "null" : typeof input === "object" ? input.constructor?.name : typeof input;
  throw new TypeError(
    `the input is ${kind}: expected a sentence, or an encoded picture as Blob, File, ArrayBuffer, Uint8Array or ` +
      "ReadableStream (Readable.toWeb makes one of a stream of Node, canvas.toBlob a Blob of a canvas)",
  );
}

/** Bytes, as far as is known before it is read: of a stream, more than any. */
export function size(input: unknown): number {
  if (typeof input === "string") return input.length;
  if (input instanceof Blob) return input.size;
  if (input instanceof ArrayBuffer || input instanceof Uint8Array) return input.byteLength;
  return input instanceof ReadableStream ? Infinity : 0; // what is no input is refused in its turn
}

/** Reading first makes every retry safe: a stream can be read once only, and a file may change under its File. */
export async function load(input: Input, signal: AbortSignal): Promise<Loaded> {
  if (typeof input === "string") return input;
  if (input instanceof Blob) return new Uint8Array(await input.arrayBuffer());
  if (input instanceof ReadableStream) return readStream(input, signal);
  return input instanceof ArrayBuffer ? new Uint8Array(input) : Uint8Array.from(input);
}

async function readStream(stream: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const forget = onAbort(signal, () => void reader.cancel(signal.reason).catch(() => undefined));
  try {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      chunks.push(new Uint8Array(read.value));
    }
    signal.throwIfAborted();
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  } finally {
    forget();
  }
}

export function bodyOf(loaded: readonly Loaded[]): Body {
  return loaded.length === 1 ? single(loaded[0] as Loaded) : several(loaded);
}

/** The fast road: the picture or sentence is the body. */
export function single(loaded: Loaded): Body {
  const type = typeof loaded === "string" ? "text/plain; charset=utf-8" : "application/octet-stream";
  return { content: loaded, type };
}

/** Sentences as JSON, pictures as multipart: neither is made longer by base64. */
export function several(loaded: readonly Loaded[]): Body {
  if (typeof loaded[0] === "string") return { content: JSON.stringify({ inputs: loaded }), type: "application/json" };
  const form = new FormData();
  for (const [place, encoded] of loaded.entries()) form.append("inputs", new Blob([encoded]), String(place));
  return { content: form, type: null };
}
