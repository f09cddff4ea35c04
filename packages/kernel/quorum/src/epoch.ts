import { invariant, type Uuid, ZERO_UUID } from "@samsa/base";
import { formatQuorumState, parseQuorumState, quorumStateData } from "@samsa/protocol";
import type { ControlRecord, Tools, VoterDescription } from "@samsa/records";
import { controlBatch } from "./metadata-log.ts";

/** The voters as the log has them, or the snapshot before it. */
export interface VoterSet {
  readonly kraftVersion: number;
  /** With kraft.version 0 these come from `controller.quorum.voters`, without directory ids. */
  readonly voters: readonly VoterDescription[];
  /** Whether they are in the log itself: a leader copies them there from the bootstrap snapshot. */
  readonly inLog: boolean;
}

export interface EpochStart {
  /** This node, with the endpoints of its controller listeners as they are now. */
  readonly node: VoterDescription;
  readonly voterSet: VoterSet;
  /** Contents of `quorum-state`; undefined when there is none. */
  readonly quorumState: string | undefined;
  /** Epoch of the last batch of the log, or of the snapshot when the log is empty. */
  readonly lastEpoch: number;
  /** Where the next batch goes. */
  readonly endOffset: number;
  readonly now: number;
}

export interface Epoch {
  readonly epoch: number;
  /** New contents of `quorum-state`: durable before `batch` is appended, or the epoch could be used twice. */
  readonly quorumState: string;
  /** The control batch that opens the epoch, to append at `endOffset` before anything else. */
  readonly batch: Uint8Array;
  /** The voters from here on. */
  readonly voters: readonly VoterDescription[];
}

/**
 * Makes the only voter of a quorum its leader, in an epoch above any it has seen: votes for itself, is elected by that,
 * and opens the epoch with a LeaderChange record, followed by the voters if the log lacks them or this node's endpoints
 * have changed. Undefined when others have a say, or this node has none (a voter is its id and its directory).
 * Throws `MalformedError` when `quorum-state` is damaged.
 */
export function beginSoleEpoch(start: EpochStart, tools: Tools): Epoch | undefined {
  const { node, voterSet, endOffset: baseOffset, now: timestamp } = start;
  const { kraftVersion, voters } = voterSet;
  const reconfigurable = kraftVersion >= 1;
  if (voters.length !== 1 || !isVoter(node, voters[0], reconfigurable)) return undefined;
  const before = start.quorumState === undefined ? 0 : parseQuorumState(start.quorumState).state.leaderEpoch;
  const epoch = Math.max(before, start.lastEpoch, 0) + 1;
  invariant(epoch <= 0x7fffffff, "epochs fit 31 bits");
  // Version 0 with any kraft.version: Kafka writes no other, and its readers take every LeaderChange for one.
  const self = { id: node.id, directoryId: ZERO_UUID };
  const records: ControlRecord[] = [
    { type: "leaderChange", version: 0, leaderId: node.id, voters: [self], grantingVoters: [self] },
  ];
  const announce = reconfigurable && (!voterSet.inLog || !sameDescription(node, voters[0]));
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

/** A voter moved here from a static quorum has no directory yet. */
function sameDirectory(own: Uuid, voters: Uuid): boolean {
  return voters === ZERO_UUID || own === voters;
}

function electedState(leaderId: number, leaderEpoch: number, kraftVersion: number): string {
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
