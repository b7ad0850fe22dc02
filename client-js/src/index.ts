/** The TypeScript client of Maxpool. Everything public is here; every other module is private. */

export { type CallOptions, type ClassifyManyOptions, type ClassifyOptions, Client, type ClientOptions } from "./client.js";
export {
  ConnectionFailed,
  InvalidInput,
  MaxpoolError,
  Overloaded,
  ServerError,
  StatusError,
  TimedOut,
  UnexpectedAnswer,
  UnknownModel,
} from "./errors.js";
export { type Input } from "./inputs.js";
export {
  type Health,
  type Model,
  type ModelDetail,
  type Picture,
  type Prediction,
  type Score,
  type Sentence,
} from "./types.js";
