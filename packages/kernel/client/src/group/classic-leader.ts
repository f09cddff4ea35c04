import {
  ASSIGNORS,
  type AssignableTopic,
  type AssignorName,
  decodeSubscription,
  encodeAssignment,
  type SubscribedMember,
  type Subscription,
} from "@samsa/assign";
import { type BrokerId, MalformedError } from "@samsa/base";
import type { JoinGroupResponse, SyncGroupRequest } from "@samsa/protocol";
import type { ClusterView, PartitionView } from "../cluster/cluster-view.ts";

const NOTHING: Subscription = { topics: [], userData: null, owned: [], generation: -1, rack: null };

/** Racks of a partition's replicas that are known; those of brokers that are not there at the moment are not. */
type RackedReplicas = ReadonlyMap<BrokerId, string | null | undefined>;

/** Metadata that an assignment depends on: the racks of the replicas of each partition, by topic. */
type TopicSnapshot = ReadonlyMap<string, readonly RackedReplicas[]>;

/** The leader's part in a rebalance: it assigns partitions, and watches for changes that need a new assignment. */
export class ClassicLeader {
  /** Topics that some member subscribes to. */
  readonly topics: readonly string[];
  /** Members whose subscriptions cannot be read. They get no partitions. */
  readonly unreadable: readonly string[];
  readonly #members: readonly SubscribedMember[];
  readonly #usesRacks: boolean;
  #snapshot: TopicSnapshot = new Map();

  constructor(members: JoinGroupResponse["members"]) {
    const unreadable: string[] = [];
    this.#members = members.map(({ memberId, groupInstanceId, metadata }) => {
      const subscription = readable(metadata);
      if (subscription === undefined) unreadable.push(memberId);
      return { memberId, instanceId: groupInstanceId, subscription: subscription ?? NOTHING };
    });
    this.unreadable = unreadable;
    this.topics = [...new Set(this.#members.flatMap(({ subscription }) => subscription.topics))];
    this.#usesRacks = this.#members.some(({ subscription }) => subscription.rack !== null);
  }

  /** Remembers the metadata that the present assignment is for. */
  observe(cluster: ClusterView): void {
    this.#snapshot = this.#look(cluster);
  }

  /** True if the metadata has changed so that another assignment is needed. */
  hasChanged(cluster: ClusterView): boolean {
    const now = this.#look(cluster);
    if (now.size !== this.#snapshot.size) return true;
    for (const [topic, partitions] of now) {
      const before = this.#snapshot.get(topic);
      if (before === undefined || before.length !== partitions.length) return true;
      if (this.#usesRacks && partitions.some((racks, i) => !sameRacks(racks, before[i]))) return true;
    }
    return false;
  }

  /** Assignments in the form of SyncGroup. */
  assign(name: AssignorName, cluster: ClusterView): SyncGroupRequest["assignments"] {
    this.observe(cluster);
    const topics = new Map<string, AssignableTopic>();
    for (const [topic, partitions] of this.#snapshot) {
      const racks = partitions.map(replicas => [...replicas.values()].filter(isRack));
      topics.set(topic, { partitions: partitions.length, racks });
    }
    const assignment = ASSIGNORS[name].assign({ members: this.#members, topics });
    return [...assignment].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment({ partitions, userData: null }),
    }));
  }

  #look(cluster: ClusterView): TopicSnapshot {
    const topics = new Map<string, readonly RackedReplicas[]>();
    for (const name of this.topics) {
      const topic = cluster.topic(name);
      if (topic === undefined) continue;
      const racksOf = ({ replicas }: PartitionView) => new Map(replicas.map(id => [id, cluster.broker(id)?.rack]));
      topics.set(name, topic.partitions.map(racksOf));
    }
    return topics;
  }
}

function isRack(rack: string | null | undefined): rack is string {
  return rack !== null && rack !== undefined;
}

/** Undefined if the bytes are no subscription. */
function readable(metadata: Uint8Array): Subscription | undefined {
  try {
    return decodeSubscription(metadata);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

/** True if no replica has come or gone with a rack of its own. A broker that is down for a while changes nothing. */
function sameRacks(a: RackedReplicas, b: RackedReplicas | undefined): boolean {
  return b !== undefined && isCovered(a, b) && isCovered(b, a);
}

function isCovered(racks: RackedReplicas, by: RackedReplicas): boolean {
  const others = new Set(by.values());
  return [...racks].every(
    ([id, rack]) => !isRack(rack) || others.has(rack) || (by.has(id) && by.get(id) === undefined),
  );
}
