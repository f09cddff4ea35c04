import { checkTransition, type PreviousStates } from "@samsa/base";

/** State of a log's files. In CLOSING nothing is appended; in CLOSED nothing is read, either. */
export type LifeState = "OPEN" | "CLOSING" | "CLOSED";

/** Valid previous states of a log's files. */
export const PREVIOUS_LIFE_STATES: PreviousStates<LifeState> = {
  OPEN: [],
  CLOSING: ["OPEN"],
  CLOSED: ["OPEN", "CLOSING"],
};

/** Life of a log's files, which a restart alone begins again. */
export class LogLife {
  #state: LifeState = "OPEN";

  get isOpen(): boolean {
    return this.#state === "OPEN";
  }

  get isClosed(): boolean {
    return this.#state === "CLOSED";
  }

  enter(state: LifeState): void {
    checkTransition(PREVIOUS_LIFE_STATES, this.#state, state);
    this.#state = state;
  }
}
