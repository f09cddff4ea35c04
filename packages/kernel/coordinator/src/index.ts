export type { GroupConfig } from "./context.ts";
export type { Effect, ShardRecord, Ticket } from "./effects.ts";
export { commitError } from "./offsets.ts";
export { joinError, syncError } from "./rebalance.ts";
export { type GroupRequest, GroupShard, type GroupView } from "./group-shard.ts";
export type { LoggedRecord, Producer, Shard, TxnEnd } from "./shard.ts";
