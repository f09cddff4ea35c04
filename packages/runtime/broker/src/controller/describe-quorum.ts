import { type BrokerId, entryAt, ZERO_UUID } from "@samsa/base";
import { type DescribeQuorumRequest, Errors } from "@samsa/protocol";
import type { VoterDescription } from "@samsa/records";
import type { BrokerConfig } from "../config/configs.ts";
import type { ResponseOf } from "../request/handler.ts";
import type { MetadataLog } from "../quorum/metadata-log.ts";
import { METADATA_TOPIC } from "../config/internal-topics.ts";

/** State of the quorum as its leader, this node, sees it. */
export type Quorum = Pick<
  MetadataLog,
  "epoch" | "endOffset" | "highWatermark" | "kraftVersion" | "leaderId" | "voters"
>;

interface QuorumNode {
  readonly nodeId: BrokerId;
  readonly config: BrokerConfig;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** First version with directory ids and nodes (KIP-853). */
const NODES_VERSION = 2;

function isMetadataPartition({ topics }: DescribeQuorumRequest): boolean {
  const [topic, ...others] = topics;
  if (topic === undefined || others.length > 0 || topic.topicName !== METADATA_TOPIC) return false;
  return topic.partitions.length === 1 && topic.partitions[0]?.partitionIndex === 0;
}

/** Endpoints of a voter from the voter set, or from `controller.quorum.voters` for a static quorum. */
function listenersOf(config: BrokerConfig, { id, endpoints }: VoterDescription) {
  if (endpoints.length > 0) return endpoints.map(({ name, host, port }) => ({ name, host, port }));
  const name = entryAt(config["controller.listener.names"], 0);
  return config["controller.quorum.voters"].flatMap(voter => {
    const found = /^(\d+)@\[?(.*?)\]?:(\d+)$/.exec(voter);
    return found === null || Number(found[1]) !== id ? [] : [{ name, host: entryAt(found, 2), port: Number(found[3]) }];
  });
}

function nowhere({ topics }: DescribeQuorumRequest) {
  const { code: errorCode, message: errorMessage } = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  const nothing = { errorCode, errorMessage, leaderId: 0, leaderEpoch: 0, highWatermark: 0 };
  const answers = topics.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      ...nothing,
      currentVoters: [],
      observers: [],
    })),
  }));
  return { errorCode: 0, errorMessage: "", topics: answers, nodes: [] };
}

/** DescribeQuorum (KIP-595), served by the quorum's leader, which is this node. */
export function describeQuorum(
  { nodeId, config, now }: QuorumNode,
  { epoch, endOffset, highWatermark, voters, kraftVersion }: Quorum,
  request: DescribeQuorumRequest,
  version: number,
): ResponseOf<"DescribeQuorum"> {
  if (!isMetadataPartition(request)) return nowhere(request);
  const full = version >= NODES_VERSION;
  const currentVoters = voters.map(({ id, directoryId }) => ({
    replicaId: id,
    // Voters of a static quorum are known by their ids only.
    ...(full ? { replicaDirectoryId: kraftVersion === 0 ? ZERO_UUID : directoryId } : {}),
    logEndOffset: endOffset,
    lastFetchTimestamp: now,
    lastCaughtUpTimestamp: now,
  }));
  const partition = {
    partitionIndex: 0,
    errorCode: 0,
    errorMessage: "",
    leaderId: nodeId,
    leaderEpoch: epoch,
    highWatermark,
    currentVoters,
    observers: [],
  };
  const topics = [{ topicName: METADATA_TOPIC, partitions: [partition] }];
  const nodes = full ? voters.map(voter => ({ nodeId: voter.id, listeners: listenersOf(config, voter) })) : [];
  return { errorCode: 0, errorMessage: "", topics, nodes };
}
