export type { GroupConfig } from "./context.ts";
export type { Effect, ShardRecord, Ticket } from "./effects.ts";
export { commitError } from "./offsets.ts";
export { joinError, syncError } from "./rebalance.ts";
export { type GroupRequest, GroupShard, type GroupView } from "./shard.ts";
