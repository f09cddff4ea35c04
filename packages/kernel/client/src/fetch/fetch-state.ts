import type { PreviousStates } from "@samsa/base";

/** State of an assigned partition (`SubscriptionState.FetchStates`). */
export type FetchState =
  /** Waits for the offset that its group has committed. */
  | "INITIALIZING"
  /** Has a position from which records can be fetched. */
  | "FETCHING"
  /** Waits for the offset of its reset policy, or of a seek to the beginning or the end. */
  | "AWAIT_RESET"
  /** Has a position, of which a new leader is asked whether its log still contains it (KIP-320). */
  | "AWAIT_VALIDATION";

/** Valid previous states. A position whose offset has no epoch goes to FETCHING without validation. */
export const FETCH_STATES: PreviousStates<FetchState> = {
  INITIALIZING: [],
  FETCHING: ["INITIALIZING", "FETCHING", "AWAIT_RESET", "AWAIT_VALIDATION"],
  AWAIT_RESET: ["INITIALIZING", "FETCHING", "AWAIT_RESET", "AWAIT_VALIDATION"],
  AWAIT_VALIDATION: ["INITIALIZING", "FETCHING", "AWAIT_VALIDATION"],
};
