import { ByteReader, MalformedError, type PartitionIndex, type Uuid } from "@samsa/base";
import { consumerProtocolAssignment } from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";
import { ClassicGroup, type Member } from "../classic/group.ts";
import { readSubscription, writeAssignment } from "./classic-members.ts";
import type { ConsumerContext, Downgrade } from "./context.ts";
import { ConsumerGroup } from "./group.ts";
import { type ConsumerMember, namesOf, newMember, STATE } from "./member.ts";
import { currentRecord, epochRecord, memberRecord, targetEpochRecord, targetRecord } from "./records.ts";

const UNSUPPORTED =
  "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before " +
  "re-attempting the upgrade.";
const MALFORMED = "the embedded consumer protocol is malformed.";

/** Decodes the assignment of a classic member, by topic id; or returns the reason why it cannot. */
function readAssignment(
  bytes: Uint8Array,
  idOf: (name: string) => Uuid | undefined,
): Map<Uuid, Set<PartitionIndex>> | string {
  if (bytes.length === 0) return new Map();
  try {
    const reader = new ByteReader(bytes);
    const version = Math.min(reader.i16(), consumerProtocolAssignment.last);
    if (version < 0) return MALFORMED;
    const { assignedPartitions, userData } = consumerProtocolAssignment.decode(reader, version);
    if (userData !== null && userData.length > 0) return UNSUPPORTED;
    const found = new Map<Uuid, Set<PartitionIndex>>();
    for (const { topic, partitions } of assignedPartitions) {
      const id = idOf(topic);
      if (id !== undefined && partitions.length > 0) found.set(id, new Set(partitions));
    }
    return found;
  } catch (error) {
    if (error instanceof MalformedError) return MALFORMED;
    throw error;
  }
}

/** Converts a classic group to a consumer group; or returns the reason why it cannot (`fromClassicGroup`). */
export function upgraded(classic: ClassicGroup, context: ConsumerContext): ConsumerGroup | string {
  const group = new ConsumerGroup(classic.id, context.timeline);
  group.setEpochs({ epoch: classic.generation, assignmentEpoch: classic.generation });
  // All members may have left before the first generation; then there is no protocol.
  const isEmpty = classic.members.size === 0;
  const protocol = isEmpty ? undefined : (classic.protocolName ?? classic.selectProtocol());
  for (const member of classic.members.values()) {
    const subscription = readSubscription(
      member.protocols.find(({ name }) => name === protocol)?.metadata ?? member.assignment,
    );
    const target = readAssignment(member.assignment, name => context.topics.idOf(name));
    if (subscription === undefined) return MALFORMED;
    if (typeof target === "string") return target;
    group.target.set(member.id, target);
    group.set(consumerMember(member, { classic, topics: subscription.topics, rackId: subscription.rackId, target }));
  }
  group.setEpochs({ metadataHash: context.hashes.of(context.topics, group.topicsOf(group.subscriptions)) });
  return group;
}

interface Description {
  readonly classic: ClassicGroup;
  readonly topics: readonly string[];
  readonly rackId: string | null;
  readonly target: ReadonlyMap<Uuid, ReadonlySet<PartitionIndex>>;
}

function consumerMember(member: Member, { classic, topics, rackId, target }: Description): ConsumerMember {
  const epoch = classic.generation;
  return {
    ...newMember(member.id),
    epoch,
    previousEpoch: epoch,
    state: STATE.stable,
    instanceId: member.instanceId,
    rackId,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    clientId: member.clientId,
    clientHost: member.clientHost,
    topicNames: namesOf(topics),
    assigned: new Map([...target].map(([id, all]) => [id, new Map([...all].map(partition => [partition, epoch]))])),
    classic: { sessionTimeoutMs: member.sessionTimeoutMs, supportedProtocols: member.protocols },
  };
}

/** Records that create a group with its members (`ConsumerGroup.createConsumerGroupRecords`). */
export function recordsOf(group: ConsumerGroup): ShardRecord[] {
  const members = [...group.members.values()];
  return [
    ...members.map(member => memberRecord(group.id, member)),
    epochRecord(group.id, group.epoch, group.metadataHash),
    ...members.map(({ id }) => targetRecord(group.id, id, group.targetOf(id))),
    targetEpochRecord(group.id, group.assignmentEpoch, group.assignmentTimestamp),
    ...members.map(member => currentRecord(group.id, member)),
  ];
}

/** Converts a consumer group to a classic group of the members that stay (`fromConsumerGroup`). */
export function downgraded(
  group: ConsumerGroup,
  { staying, replaced }: Pick<Downgrade, "staying" | "replaced">,
  context: ConsumerContext,
): ClassicGroup {
  const classic = new ClassicGroup(group.id, { state: "Stable", stateTimestamp: context.wall });
  for (const { id, instanceId, clientId, clientHost, rebalanceTimeoutMs, classic: own } of staying) {
    const sessionTimeoutMs = own?.sessionTimeoutMs ?? 0;
    const member: Member = {
      id,
      instanceId,
      clientId,
      clientHost,
      rebalanceTimeoutMs,
      sessionTimeoutMs,
      protocols: own?.supportedProtocols ?? [],
      assignment: new Uint8Array(0),
      joining: undefined,
      syncing: undefined,
      isNew: false,
    };
    classic.add(member, "consumer");
  }
  classic.generation = group.epoch;
  classic.protocolName = classic.selectProtocol();
  for (const member of classic.members.values()) {
    const version = readSubscription(classic.metadataOf(member))?.version ?? 0;
    const from = replaced?.by === member.id ? replaced.id : member.id;
    member.assignment = writeAssignment(context.topics, group.targetOf(from), version);
  }
  return classic;
}
