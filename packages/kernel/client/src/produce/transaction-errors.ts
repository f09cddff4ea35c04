import { errorOf, Errors } from "@samsa/protocol";
import { KafkaError } from "../error/kafka-error.ts";
import type { TransactionApi } from "./effects.ts";

/** Consequence of an error of a request of transactions. */
export type Verdict =
  /** Ask again later. */
  | "retry"
  /** Find the coordinator, then ask again. */
  | "lookup"
  /** The transaction can only be aborted. */
  | "abort"
  /** The same; the producer's epoch must be raised as well, and without that it is the end. */
  | "bump"
  /** The consumer is no longer in its group: the offsets are not its to commit. */
  | "mismatch"
  /** The producer has no producer id, and may ask for one again later. */
  | "uninitialized"
  /** Another producer has the transactional id. */
  | "fenced"
  /** The producer cannot go on. */
  | "fatal";

type Verdicts = { readonly [code: number]: Verdict };

const COMMON: Verdicts = {
  [Errors.COORDINATOR_NOT_AVAILABLE.code]: "lookup",
  [Errors.NOT_COORDINATOR.code]: "lookup",
  [Errors.INVALID_PRODUCER_EPOCH.code]: "fenced",
  [Errors.PRODUCER_FENCED.code]: "fenced",
  [Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code]: "fatal",
  [Errors.TRANSACTION_ABORTABLE.code]: "abort",
};

/** Verdicts by API and error code, as the handlers of `TransactionManager` give them. */
const VERDICTS: { readonly [N in TransactionApi]: Verdicts } = {
  InitProducerId: {
    ...COMMON,
    [Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code]: "uninitialized",
    [Errors.CLUSTER_AUTHORIZATION_FAILED.code]: "uninitialized",
    // Kafka's client lets the application abort, and then has no producer id.
    [Errors.TRANSACTION_ABORTABLE.code]: "uninitialized",
  },
  AddPartitionsToTxn: {
    ...COMMON,
    [Errors.UNKNOWN_PRODUCER_ID.code]: "bump",
    [Errors.INVALID_TXN_STATE.code]: "fatal",
    [Errors.INVALID_PRODUCER_ID_MAPPING.code]: "fatal",
  },
  AddOffsetsToTxn: {
    ...COMMON,
    [Errors.UNKNOWN_PRODUCER_ID.code]: "bump",
    [Errors.GROUP_AUTHORIZATION_FAILED.code]: "abort",
  },
  TxnOffsetCommit: {
    ...COMMON,
    [Errors.REQUEST_TIMED_OUT.code]: "lookup",
    [Errors.GROUP_AUTHORIZATION_FAILED.code]: "abort",
    [Errors.FENCED_INSTANCE_ID.code]: "abort",
    [Errors.UNKNOWN_MEMBER_ID.code]: "mismatch",
    [Errors.ILLEGAL_GENERATION.code]: "mismatch",
    [Errors.GROUP_ID_NOT_FOUND.code]: "mismatch",
    [Errors.STALE_MEMBER_EPOCH.code]: "mismatch",
  },
  EndTxn: {
    ...COMMON,
    [Errors.UNKNOWN_PRODUCER_ID.code]: "bump",
  },
};

/** Verdict on an error code, other than 0, of a request. */
export function verdictOf(api: TransactionApi, code: number): Verdict {
  const verdict = VERDICTS[api][code];
  if (verdict !== undefined) return verdict;
  if (errorOf(code).retriable) return "retry";
  // Other partitions or topics may be fine, so the next transaction may succeed.
  return api === "AddPartitionsToTxn" ? "abort" : "fatal";
}

/** Verdict on an error by which the search for a coordinator ended. */
export function lookupVerdict(name: string): Verdict {
  switch (name) {
    case "GROUP_AUTHORIZATION_FAILED":
    case "TRANSACTION_ABORTABLE":
      return "abort";
    default:
      return "fatal";
  }
}

/** Verdict on an error of a batch in a transaction (`maybeTransitionToErrorState`). */
const FATAL_OF_BATCHES: ReadonlySet<string> = new Set([
  "CLUSTER_AUTHORIZATION_FAILED",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "PRODUCER_FENCED",
  "UNSUPPORTED_VERSION",
  "INVALID_PRODUCER_ID_MAPPING",
]);

/** True if the error of a batch, by its name, is the end of an idempotent or transactional producer. */
export function isFatalOfBatch(name: string): boolean {
  return FATAL_OF_BATCHES.has(name);
}

/** The same error with other flags. */
export function withFlags(
  error: KafkaError,
  flags: { readonly abortable?: boolean; readonly fatal?: boolean },
): KafkaError {
  const { abortable = false, fatal = false } = flags;
  if (error.abortable === abortable && error.fatal === fatal) return error;
  const known = Object.hasOwn(Errors, error.name) ? Errors[error.name as keyof typeof Errors] : undefined;
  const facts = { abortable, fatal, cause: error, ...(known === undefined ? {} : { error: known }) };
  return new KafkaError(error.name, error.message, facts);
}
