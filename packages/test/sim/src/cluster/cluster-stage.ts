import type { Crc32c } from "@samsa/base";
import type { BlockCodecs } from "@samsa/base";
import { GroupLedger } from "../ledgers/group-ledger.ts";
import { Holdings } from "../ledgers/holdings.ts";
import { TxnLedger } from "../ledgers/txn-ledger.ts";
import type { GroupStage } from "../clients/member.ts";
import type { TableStage } from "../clients/table.ts";
import type { Stage } from "../stage/stage.ts";
import type { World } from "../world/world.ts";
import { ClusterLedger, type ClusterTopic } from "./cluster-ledger.ts";
import type { ClusterMachine } from "./machine.ts";

/** State that the clients of a cluster share. */
export interface ClusterStage
  extends GroupStage,
    TableStage,
    Pick<Stage, "txns" | "losses" | "device" | "dirs" | "isFlushed"> {
  readonly ledger: ClusterLedger;
  /** Number of lives of all nodes that have ended. */
  readonly lives: number;
  /** Topics that clients may use. */
  readonly topics: ClusterTopic[];
}

/** Stage of a scenario at its beginning. */
export function clusterStage(world: World, machines: readonly ClusterMachine[]): ClusterStage {
  const { crypto, codecs } = world.node("judge").env;
  const tools: { readonly crc32c: Crc32c; readonly codecs: BlockCodecs } = { crc32c: crypto.crc32c, codecs };
  const groups = new GroupLedger();
  groups.deposable = true;
  const holdings = new Holdings(() => groups.begin());
  holdings.deposable = true;
  let lives = 0;
  return {
    get lives() {
      return machines.reduce((sum, { endings }) => sum + endings.length, 0);
    },
    // Coordinators change without a sign: what one has promised says nothing about the next one.
    get life() {
      return ++lives;
    },
    powerCuts: 0,
    ledger: new ClusterLedger(tools),
    groups,
    holdings,
    txns: new TxnLedger(),
    topics: [],
    // A new leader may not know yet what the last one has told.
    get losses() {
      return NaN;
    },
    get clocks() {
      return NaN;
    },
    device: world.node("judge").disk,
    dirs: [],
    isFlushed: () => false,
    note: line => world.trace(line),
  };
}
