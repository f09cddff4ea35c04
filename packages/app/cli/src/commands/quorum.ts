import { type BrokerId, parseUuid, type Uuid } from "@samsa/base";
import { METADATA_TOPIC } from "@samsa/quorum";
import { type BrokerConnection, parseEndpoints, type ResponseOf } from "@samsa/wire";
import { answered, connected, sentence } from "./admin.ts";
import type { Common } from "../settings/client-settings.ts";
import { Failure } from "../terminal/failure.ts";
import { printTable } from "../terminal/table.ts";

/** Longest time that a new voter may take to catch up, in ms. */
const ADD_MS = 30_000;

type QuorumPartition = ResponseOf<"DescribeQuorum">["topics"][number]["partitions"][number];

/** State of the quorum, with the endpoints of its voters. */
export interface QuorumState extends QuorumPartition {
  readonly nodes: ResponseOf<"DescribeQuorum">["nodes"];
}

/** Asks for the state of the quorum. Rejects with a `Failure`. */
export async function describeQuorum(admin: BrokerConnection): Promise<QuorumState> {
  const answer = await admin.call("DescribeQuorum", {
    topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }],
  });
  if (answer.errorCode !== 0) throw new Failure(sentence(answer.errorCode, answer.errorMessage));
  const partition = answered(answer.topics[0]?.partitions[0], "the quorum");
  if (partition.errorCode !== 0) throw new Failure(sentence(partition.errorCode, partition.errorMessage));
  return { ...partition, nodes: answer.nodes };
}

function time(at: number | bigint): string {
  return Number(at) < 0 ? "-" : new Date(Number(at)).toISOString();
}

/** `samsa quorum describe`. */
export function describe(options: Common): Promise<void> {
  return connected(options, async admin => {
    const { leaderId, leaderEpoch, highWatermark, currentVoters, observers, nodes } = await describeQuorum(admin);
    const end = currentVoters.find(({ replicaId }) => replicaId === leaderId)?.logEndOffset ?? highWatermark;
    const replicas = [
      ...currentVoters.map(replica => ({ ...replica, isVoter: true })),
      ...observers.map(replica => ({ ...replica, isVoter: false })),
    ].map(({ replicaId, replicaDirectoryId, logEndOffset, isVoter, ...times }) => ({
      id: replicaId,
      directoryId: replicaDirectoryId,
      role: replicaId === leaderId && isVoter ? "leader" : isVoter ? "voter" : "observer",
      logEndOffset,
      lag: Number(logEndOffset) < 0 ? null : Number(end) - Number(logEndOffset),
      lastFetch: time(times.lastFetchTimestamp),
      lastCaughtUp: time(times.lastCaughtUpTimestamp),
      endpoints: (isVoter ? nodes.find(({ nodeId }) => nodeId === replicaId)?.listeners : undefined) ?? [],
    }));
    if (options.json === true) {
      return console.log(JSON.stringify({ leaderId, leaderEpoch, highWatermark, replicas }));
    }
    console.log(`Leader: ${leaderId}  Epoch: ${leaderEpoch}  High watermark: ${highWatermark}`);
    const rows = replicas.map(({ id, role, directoryId, logEndOffset, lag, lastCaughtUp, endpoints }) => [
      ...[String(id), role, directoryId, String(logEndOffset), lag === null ? "-" : String(lag), lastCaughtUp],
      endpoints.map(({ name, host, port }) => `${name}://${host}:${port}`).join(",") || "-",
    ]);
    const head = ["NODE", "ROLE", "DIRECTORY", "END", "LAG", "CAUGHT UP", "ENDPOINTS"];
    printTable(head, rows);
  });
}

/** Reads the id of a node. Throws `Failure`. */
export function parseNodeId(text: string): BrokerId {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (id < 0 || id >= 2 ** 31) throw new Failure(`a node has a number for an id, not "${text}"`);
  return id;
}

interface VoterOptions extends Common {
  readonly directoryId?: string;
}

/** Directory of a replica: the one that is named, or else the only one of its id in the list. */
function directoryOf(
  id: BrokerId,
  { directoryId }: VoterOptions,
  { replicas, kind, advice }: { replicas: QuorumState["observers"]; kind: string; advice: string },
): Uuid {
  if (directoryId !== undefined) {
    const parsed = parseUuid(directoryId);
    if (parsed === undefined)
      throw new Failure(`--directory-id wants the directory.id of a log directory, not "${directoryId}"`);
    return parsed;
  }
  const [only, ...others] = replicas.filter(({ replicaId }) => replicaId === id);
  if (only === undefined) throw new Failure(`node ${id} is no ${kind} of the quorum: ${advice}`);
  if (others.length > 0) {
    const all = [only, ...others].map(replica => replica.replicaDirectoryId).join(", ");
    throw new Failure(`node ${id} has several directories, ${all}: choose one with --directory-id`);
  }
  return only.replicaDirectoryId;
}

interface AddOptions extends VoterOptions {
  readonly endpoint: string;
  readonly listener: string;
}

/** `samsa quorum add`: makes a controller that follows the metadata log a voter. */
export function add(node: string, options: AddOptions): Promise<void> {
  const id = parseNodeId(node);
  const [endpoint, ...more] = parseEndpoints(options.endpoint) ?? [];
  // A controller has no default port.
  if (endpoint === undefined || more.length > 0 || !/:\d+$/.test(options.endpoint)) {
    throw new Failure(`--endpoint wants host:port of the controller's listener, not "${options.endpoint}"`);
  }
  return connected(options, async admin => {
    const { observers } = await describeQuorum(admin);
    const advice =
      "start it first, with process.roles=controller and a directory formatted with --no-initial-controllers";
    const voterDirectoryId = directoryOf(id, options, { replicas: observers, kind: "observer", advice });
    const { errorCode, errorMessage } = await admin.call(
      "AddRaftVoter",
      {
        clusterId: null,
        timeoutMs: ADD_MS,
        voterId: id,
        voterDirectoryId,
        listeners: [{ name: options.listener, ...endpoint }],
        ackWhenCommitted: true,
      },
      { timeoutMs: ADD_MS },
    );
    if (errorCode !== 0) throw new Failure(`node ${id} is no voter: ${sentence(errorCode, errorMessage)}`);
    if (options.json === true) console.log(JSON.stringify({ added: id, directoryId: voterDirectoryId }));
    else console.log(`Node ${id} with directory ${voterDirectoryId} is a voter.`);
  });
}

/** `samsa quorum remove`: takes the vote of a controller. */
export function remove(node: string, options: VoterOptions): Promise<void> {
  const id = parseNodeId(node);
  return connected(options, async admin => {
    const { currentVoters } = await describeQuorum(admin);
    const advice = "samsa quorum describe lists the voters";
    const voterDirectoryId = directoryOf(id, options, { replicas: currentVoters, kind: "voter", advice });
    const { errorCode, errorMessage } = await admin.call(
      "RemoveRaftVoter",
      { clusterId: null, voterId: id, voterDirectoryId },
      { timeoutMs: ADD_MS },
    );
    if (errorCode !== 0) throw new Failure(`node ${id} is still a voter: ${sentence(errorCode, errorMessage)}`);
    if (options.json === true) console.log(JSON.stringify({ removed: id, directoryId: voterDirectoryId }));
    else console.log(`Node ${id} with directory ${voterDirectoryId} is no voter any more.`);
  });
}
