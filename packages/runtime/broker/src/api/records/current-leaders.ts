import type { BrokerId, LeaderEpoch, PartitionIndex } from "@samsa/base";
import { type MetadataImage, topicNamed } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import type { BrokerNode } from "../../metadata/broker-nodes.ts";
import type { BrokerParts } from "../parts.ts";

/** Errors of clients that have asked another broker than the leader, or have another leader epoch. */
const LEADERSHIP: ReadonlySet<number> = new Set([Errors.NOT_LEADER_OR_FOLLOWER.code, Errors.FENCED_LEADER_EPOCH.code]);

/** Leader of a partition, with its epoch. */
export interface CurrentLeader {
  readonly leaderId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
}

/** Leaders that a response names, so that clients need no new metadata to find them (KIP-951). */
export class CurrentLeaders {
  readonly #image: MetadataImage;
  readonly #parts: Pick<BrokerParts, "node">;
  readonly #listener: string;
  readonly #named = new Map<BrokerId, BrokerNode>();

  constructor(parts: Pick<BrokerParts, "node" | "topics">, listener: string) {
    this.#parts = parts;
    this.#image = parts.topics.image;
    this.#listener = listener;
  }

  /** Leader of a partition whose answer has this error; undefined if the error has nothing to do with the leader. */
  after(errorCode: number, topic: string, index: PartitionIndex): CurrentLeader | undefined {
    if (!LEADERSHIP.has(errorCode)) return undefined;
    const partition = topicNamed(this.#image, topic)?.partitions.get(index);
    if (partition === undefined) return undefined;
    const { leader: leaderId, leaderEpoch } = partition;
    const node = this.#parts.node(leaderId, this.#listener);
    if (node !== undefined) this.#named.set(leaderId, node);
    return { leaderId, leaderEpoch };
  }

  /** Endpoints of the leaders that were named. */
  get endpoints(): readonly BrokerNode[] {
    return [...this.#named.values()];
  }
}
