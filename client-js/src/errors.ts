/**
 * Everything a call can reject with, beside a TypeError for what could never be sent and your AbortSignal's reason.
 *
 * MaxpoolError
 *   - ConnectionFailed         the service could not be reached, or hung up
 *   - TimedOut                 no answer within `timeout` milliseconds, or 504
 *   - UnexpectedAnswer         something answered, but not as Maxpool does
 *   - StatusError              the service said no
 *     - InvalidInput           400, 413, 415, 431
 *     - Unauthorized           401, 403
 *     - UnknownModel           404
 *     - Overloaded             429, 503
 *     - ServerError            500 and up
 */

/** The root of the tree: `error instanceof MaxpoolError` is all that can go wrong between here and the service. */
export class MaxpoolError extends Error {
  override readonly name: string = "MaxpoolError";
  readonly url: string;
  /** The service's own word for what was wrong, which stays when its sentences change; null if it did not say. */
  readonly reason: string | null;

  constructor(
    message: string,
    { url, cause, reason = null }: { url: string; cause?: unknown; reason?: string | null },
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.url = url;
    this.reason = reason;
  }
}

/** The service could not be reached, or hung up before it had answered. */
export class ConnectionFailed extends MaxpoolError {
  override readonly name = "ConnectionFailed";
}

/** The service did not answer in time. */
export class TimedOut extends MaxpoolError {
  override readonly name = "TimedOut";
  /** 504 where the service or a gateway said so, null where nobody answered. */
  readonly status: 504 | null;

  constructor(
    message: string,
    { url, status = null, reason = null }: { url: string; status?: 504 | null; reason?: string | null },
  ) {
    super(message, { url, reason });
    this.status = status;
  }
}

/** The answer is none of Maxpool's: most often baseUrl points at something else. */
export class UnexpectedAnswer extends MaxpoolError {
  override readonly name = "UnexpectedAnswer";
}

interface Refused {
  readonly url: string;
  readonly status: number;
  readonly reason?: string | null;
}

/** The service answered with an error. */
export class StatusError extends MaxpoolError {
  override readonly name: string = "StatusError";
  readonly status: number;

  constructor(message: string, { url, status, reason = null }: Refused) {
    super(message, { url, reason });
    this.status = status;
  }
}

/** The input is not what the model takes. */
export class InvalidInput extends StatusError {
  override readonly name = "InvalidInput";
}

/** The service wants an API key, or another one. */
export class Unauthorized extends StatusError {
  override readonly name = "Unauthorized";
}

/** The service has no model, or no version, of that name. */
export class UnknownModel extends StatusError {
  override readonly name = "UnknownModel";
}

/** The service takes no more work for now. */
export class Overloaded extends StatusError {
  override readonly name = "Overloaded";
  /** Seconds after which to ask again; null if the service did not say. */
  readonly retryAfter: number | null;

  constructor(message: string, { retryAfter, ...refused }: Refused & { retryAfter: number | null }) {
    super(message, refused);
    this.retryAfter = retryAfter;
  }
}

/** The service failed on an input that may well be valid. */
export class ServerError extends StatusError {
  override readonly name = "ServerError";
}

/** What the status alone would not tell apart, or not for sure: a proxy in between has statuses of its own. */
const OF_REASON: ReadonlyMap<string | null, number> = new Map([
  ["InvalidInput", 400],
  ["InputTooLarge", 400],
  ["UnsupportedInput", 400],
  ["HeadTooLarge", 400],
  ["Unauthorized", 401],
  ["Forbidden", 401],
  ["UnknownModel", 404],
  ["NotFound", 0],
  ["TooManyRequests", 503],
  ["Unavailable", 503],
  ["Overloaded", 503],
  ["TooManyConnections", 503],
  ["DeadlineExceeded", 504],
  ["NotOffered", 500],
  ["InferenceFailed", 500],
  ["InternalError", 500],
]);

const INVALID: readonly number[] = [400, 413, 415, 431];

/** The error for an answer that is not 2xx: by the service's reason, or else by the status. */
export function refusal(
  message: string,
  { retryAfter = null, ...refused }: Refused & { retryAfter?: number | null },
): MaxpoolError {
  const kind = OF_REASON.get(refused.reason ?? null) ?? refused.status;
  if (INVALID.includes(kind)) return new InvalidInput(message, refused);
  if (kind === 401 || kind === 403) return new Unauthorized(message, refused);
  if (kind === 404) return new UnknownModel(message, refused);
  if (kind === 429 || kind === 503) return new Overloaded(message, { ...refused, retryAfter });
  if (kind === 504) return new TimedOut(message, { ...refused, status: 504 });
  if (kind >= 500) return new ServerError(message, refused);
  return new StatusError(message, refused);
}
