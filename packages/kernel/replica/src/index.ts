export { type Acks, Replica, type Settled } from "./replica.ts";
export type { Wait } from "./waits.ts";
