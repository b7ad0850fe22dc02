/**
 * Everything a call can reject with, beside a TypeError for what could never be sent and your AbortSignal's reason.
 *
 * MaxpoolError
 *   - ConnectionFailed         the service could not be reached, or hung up
 *   - TimedOut                 no answer within `timeout` milliseconds, or 504
 *   - UnexpectedAnswer         something answered, but not as Maxpool does
 *   - StatusError              the service said no
 *     - InvalidInput           400, 413, 415
 *     - Unauthorized           401, 403
 *     - UnknownModel           404
 *     - Overloaded             429, 503
 *     - ServerError            500 and up
 */

/** The root of the tree: `error instanceof MaxpoolError` is all that can go wrong between here and the service. */
export class MaxpoolError extends Error {
  override readonly name: string = "MaxpoolError";
  readonly url: string;

  constructor(message: string, { url, cause }: { url: string; cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause });
    this.url = url;
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

  constructor(message: string, { url, status = null }: { url: string; status?: 504 | null }) {
    super(message, { url });
    this.status = status;
  }
}

/** The answer is none of Maxpool's: most often baseUrl points at something else. */
export class UnexpectedAnswer extends MaxpoolError {
  override readonly name = "UnexpectedAnswer";
}

/** The service answered with an error. */
export class StatusError extends MaxpoolError {
  override readonly name: string = "StatusError";
  readonly status: number;

  constructor(message: string, { url, status }: { url: string; status: number }) {
    super(message, { url });
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

  constructor(
    message: string,
    { url, status, retryAfter }: { url: string; status: number; retryAfter: number | null },
  ) {
    super(message, { url, status });
    this.retryAfter = retryAfter;
  }
}

/** The service failed on an input that may well be valid. */
export class ServerError extends StatusError {
  override readonly name = "ServerError";
}

/** The error for a status that is not 2xx. */
export function refusal(
  message: string,
  { url, status, retryAfter = null }: { url: string; status: number; retryAfter?: number | null },
): MaxpoolError {
  if (status === 400 || status === 413 || status === 415) return new InvalidInput(message, { url, status });
  if (status === 401 || status === 403) return new Unauthorized(message, { url, status });
  if (status === 404) return new UnknownModel(message, { url, status });
  if (status === 429 || status === 503) return new Overloaded(message, { url, status, retryAfter });
  if (status === 504) return new TimedOut(message, { url, status });
  if (status >= 500) return new ServerError(message, { url, status });
  return new StatusError(message, { url, status });
}
