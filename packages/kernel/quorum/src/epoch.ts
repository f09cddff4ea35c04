import { type BrokerId, invariant, type LeaderEpoch, type Offset, type Uuid, ZERO_UUID } from "@samsa/base";
import { formatQuorumState, parseQuorumState, quorumStateData } from "@samsa/protocol";
import type { ControlRecord, Tools, VoterDescription } from "@samsa/records";
import { controlBatch } from "./metadata-log.ts";

/** Voters of the quorum, from the log or the snapshot before it. */
export interface VoterSet {
  readonly kraftVersion: number;
  /** Voters; with kraft.version 0, from `controller.quorum.voters`, without directory ids. */
  readonly voters: readonly VoterDescription[];
  /** True if the log itself has the voters: a leader copies them there from the bootstrap snapshot. */
  readonly inLog: boolean;
}

/** State of a node before it begins an epoch. */
export interface EpochStart {
  /** This node, with the current endpoints of its controller listeners. */
  readonly node: VoterDescription;
  readonly voterSet: VoterSet;
  /** Content of `quorum-state`; undefined if there is none. */
  readonly quorumState: string | undefined;
  /** Epoch of the last batch of the log, or of the snapshot if the log is empty. */
  readonly lastEpoch: LeaderEpoch;
  /** Log end offset. */
  readonly endOffset: Offset;
  readonly now: number;
}

/** New epoch, and the writes that begin it. */
export interface Epoch {
  readonly epoch: LeaderEpoch;
  /** New content of `quorum-state`; make it durable before `batch` is appended, or the epoch could be used twice. */
  readonly quorumState: string;
  /** Control batch that opens the epoch, to append at `endOffset` before any other batch. */
  readonly batch: Uint8Array;
  /** Voters from here on. */
  readonly voters: readonly VoterDescription[];
}

/**
 * Makes the only voter of a quorum its leader, in an epoch above any that it has seen: it elects itself and opens the
 * epoch with a LeaderChange record, followed by the voters if the log lacks them or this node's endpoints have changed.
 * Undefined if there are other voters, or this node is none (a voter is identified by its id and its directory).
 * Throws `MalformedError` if `quorum-state` is damaged.
 */
export function beginSoleEpoch(start: EpochStart, tools: Tools): Epoch | undefined {
  const { node, voterSet, endOffset: baseOffset, now: timestamp } = start;
  const { kraftVersion, voters } = voterSet;
  const reconfigurable = kraftVersion >= 1;
  const [voter, ...others] = voters;
  if (voter === undefined || others.length > 0 || !isVoter(node, voter, reconfigurable)) return undefined;
  const before = start.quorumState === undefined ? 0 : parseQuorumState(start.quorumState).state.leaderEpoch;
  const epoch = Math.max(before, start.lastEpoch, 0) + 1;
  invariant(epoch <= 0x7fffffff, "epochs fit 31 bits");
  // Version 0 for any kraft.version: Kafka writes no other, and its readers decode every LeaderChange as version 0.
  const self = { id: node.id, directoryId: ZERO_UUID };
  const records: ControlRecord[] = [
    { type: "leaderChange", version: 0, leaderId: node.id, voters: [self], grantingVoters: [self] },
  ];
  const announce = reconfigurable && (!voterSet.inLog || !sameDescription(node, voter));
  if (announce) records.push({ type: "kraftVersion", kraftVersion }, { type: "kraftVoters", voters: [node] });
  return {
    epoch,
    quorumState: electedState(node.id, epoch, kraftVersion),
    batch: controlBatch(records, { baseOffset, epoch, timestamp }, tools),
    voters: announce ? [node] : voters,
  };
}

function isVoter(node: VoterDescription, voter: VoterDescription, reconfigurable: boolean): boolean {
  return node.id === voter.id && (!reconfigurable || sameDirectory(node.directoryId, voter.directoryId));
}

/** True if the directories match. A voter that was migrated from a static quorum has no directory yet. */
function sameDirectory(own: Uuid, voters: Uuid): boolean {
  return voters === ZERO_UUID || own === voters;
}

function electedState(leaderId: BrokerId, leaderEpoch: LeaderEpoch, kraftVersion: number): string {
  const common = { leaderId, leaderEpoch, votedId: -1 };
  if (kraftVersion >= 1) return formatQuorumState({ version: 1, state: quorumStateData.defaults(common) });
  const currentVoters = [{ voterId: leaderId }];
  return formatQuorumState({ version: 0, state: quorumStateData.defaults({ ...common, currentVoters }) });
}

function sameDescription(a: VoterDescription, b: VoterDescription): boolean {
  return (
    a.directoryId === b.directoryId &&
    a.minKraftVersion === b.minKraftVersion &&
    a.maxKraftVersion === b.maxKraftVersion &&
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every(e => b.endpoints.some(o => o.name === e.name && o.host === e.host && o.port === e.port))
  );
}
