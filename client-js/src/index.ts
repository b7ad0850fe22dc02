/** The TypeScript client of Maxpool. Everything public is here; every other module is private. */

export { Client } from "./client.js";
export {
  ConnectionFailed,
  InvalidInput,
  MaxpoolError,
  Overloaded,
  ServerError,
  StatusError,
  TimedOut,
  Unauthorized,
  UnexpectedAnswer,
  UnknownModel,
} from "./errors.js";
export {
  type CallOptions,
  type ClassifyManyOptions,
  type ClassifyOptions,
  type ClientOptions,
  type ModelOptions,
} from "./options.js";
export {
  type Health,
  type Input,
  type Model,
  type ModelDetail,
  type Picture,
  type Prediction,
  type Score,
  type Sentence,
} from "./types.js";
