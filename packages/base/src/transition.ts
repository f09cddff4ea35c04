import { InvariantError } from "./assert.ts";

/** Valid previous states of each state of a state machine, as in Kafka's `TransactionState.validPreviousStates`. */
export type PreviousStates<S extends string | number> = { readonly [T in S]: readonly S[] };

/** Throws `InvariantError` unless `previous` lists `from` as a previous state of `to`. */
export function checkTransition<S extends string | number>(previous: PreviousStates<S>, from: S, to: S): void {
  if (!previous[to].includes(from)) throw new InvariantError(`no transition from ${from} to ${to}`);
}
