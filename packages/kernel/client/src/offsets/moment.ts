import type { Millis } from "@samsa/base";

/** Time and chance that come with an input of a state machine. */
export interface Moment {
  /** Monotonic clock in ms. */
  readonly now: number;
  /** Wall clock, for offsets that are looked up by a duration before the present. */
  readonly wall: Millis;
  /** A number in [0, 1), for the jitter of back-offs. */
  readonly chance: number;
}
