import { ByteReader, ByteWriter, groupBy, MalformedError, type PartitionIndex } from "@samsa/base";
import { consumerProtocolAssignment, consumerProtocolSubscription } from "@samsa/protocol";
import { type AssignedPartition, comparePartitions, compareText } from "./partition.ts";

/** Protocol type of consumers in JoinGroup (`ConsumerProtocol.PROTOCOL_TYPE`). */
export const CONSUMER_PROTOCOL_TYPE = "consumer";

/** Topics that a member wants, and what its assignor says of it: the `metadata` of JoinGroup. */
export interface Subscription {
  readonly topics: readonly string[];
  readonly userData: Uint8Array | null;
  readonly owned: readonly AssignedPartition[];
  /** Generation in which the member got `owned`; −1: none. */
  readonly generation: number;
  readonly rack: string | null;
}

/** The part of a member: the `assignment` of SyncGroup. */
export interface MemberAssignment {
  readonly partitions: readonly AssignedPartition[];
  readonly userData: Uint8Array | null;
}

interface PartitionsOfTopic {
  readonly topic: string;
  readonly partitions: readonly PartitionIndex[];
}

/** Groups partitions by topic, in the order in which the topics come first. */
function byTopic(places: readonly AssignedPartition[]): PartitionsOfTopic[] {
  return [...groupBy(places, place => place.topic)].map(([topic, entries]) => ({
    topic,
    partitions: entries.map(({ partition }) => partition),
  }));
}

function flattened(topics: readonly PartitionsOfTopic[]): AssignedPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })));
}

/**
 * Bytes of a subscription: its version as int16, then the fields (`ConsumerProtocol.serializeSubscription`). Topics and
 * owned partitions are sorted.
 */
export function encodeSubscription(
  subscription: Subscription,
  version = consumerProtocolSubscription.last,
): Uint8Array {
  const writer = new ByteWriter();
  writer.i16(version);
  const draft = {
    topics: [...subscription.topics].sort(compareText),
    userData: subscription.userData,
    ownedPartitions: byTopic([...subscription.owned].sort(comparePartitions)),
    generationId: subscription.generation,
    rackId: subscription.rack,
  };
  consumerProtocolSubscription.encode(writer, draft, version);
  return writer.finish();
}

/** Bytes of an assignment: its version as int16, then the fields. */
export function encodeAssignment(assignment: MemberAssignment, version = consumerProtocolAssignment.last): Uint8Array {
  const writer = new ByteWriter();
  writer.i16(version);
  const { partitions, userData } = assignment;
  consumerProtocolAssignment.encode(writer, { assignedPartitions: byTopic(partitions), userData }, version);
  return writer.finish();
}

/** Version to read with. A later one has the fields of the last one that is known first. */
function readVersion(reader: ByteReader, last: number): number {
  const version = reader.i16();
  if (version < 0) throw new MalformedError(`version ${version} of the consumer protocol`);
  return Math.min(version, last);
}

/** Reads a subscription of any version. Throws `MalformedError`. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new ByteReader(bytes);
  const version = readVersion(reader, consumerProtocolSubscription.last);
  const decoded = consumerProtocolSubscription.decode(reader, version);
  return {
    topics: decoded.topics,
    userData: decoded.userData,
    owned: flattened(decoded.ownedPartitions),
    generation: Math.max(decoded.generationId, -1),
    rack: decoded.rackId === "" ? null : decoded.rackId,
  };
}

/** Reads an assignment of any version. Throws `MalformedError`. */
export function decodeAssignment(bytes: Uint8Array): MemberAssignment {
  const reader = new ByteReader(bytes);
  const version = readVersion(reader, consumerProtocolAssignment.last);
  const { assignedPartitions, userData } = consumerProtocolAssignment.decode(reader, version);
  return { partitions: flattened(assignedPartitions), userData };
}
