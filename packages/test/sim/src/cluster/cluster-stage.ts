import type { GroupLedger } from "../ledgers/group-ledger.ts";
import type { Stage } from "../stage/stage.ts";
import type { ClusterLedger, ClusterTopic } from "./cluster-ledger.ts";

/** State that the clients of a cluster share. */
export interface ClusterStage extends Pick<Stage, "txns" | "note" | "losses" | "device" | "dirs" | "isFlushed"> {
  readonly ledger: ClusterLedger;
  /** Number of lives of all nodes that have ended. */
  readonly lives: number;
  readonly groups: GroupLedger;
  /** Topics that clients may use. */
  readonly topics: ClusterTopic[];
}
