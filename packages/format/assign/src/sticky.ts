import { ByteReader, ByteWriter, groupBy, MalformedError, utf8 } from "@samsa/base";
import type { Assignor, AssignorInput, GroupAssignment, LastAssignment } from "./assignor.ts";
import { Board, type Claim, type ReadClaim, type Square } from "./board.ts";
import { evenDeal } from "./even-deal.ts";
import { type AssignedPartition, comparePartitions } from "./partition.ts";
import { unevenDeal } from "./uneven-deal.ts";

const NO_GENERATION = -1;

/** Assignment, with the partitions that change hands and their new owners. */
function deal(
  input: AssignorInput,
  readClaim: ReadClaim,
): { assignment: GroupAssignment; moving: Map<Square, string> } {
  if (input.members.length === 0) return { assignment: new Map(), moving: new Map() };
  const board = new Board(input, readClaim);
  if (board.isUniform) {
    const { assignment, moving } = evenDeal(board);
    return { assignment, moving: new Map(moving) };
  }
  const assignment = unevenDeal(board);
  return { assignment, moving: changingHands(board, assignment) };
}

/**
 * Partitions that a member gets while another claims them. Kafka lets a member keep what it claims itself, with however
 * old a generation, while another still has it.
 */
function changingHands(board: Board, assignment: GroupAssignment): Map<Square, string> {
  const given = new Map<Square, string>();
  for (const [memberId, places] of assignment) {
    for (const place of places) {
      const square = board.square(place);
      if (square !== undefined) given.set(square, memberId);
    }
  }
  const moving = new Map<Square, string>();
  for (const { memberId, subscription } of board.members) {
    for (const place of subscription.owned) {
      const square = board.square(place);
      const to = square === undefined ? undefined : given.get(square);
      if (square !== undefined && to !== undefined && to !== memberId) moving.set(square, to);
    }
  }
  return moving;
}

function sorted(assignment: GroupAssignment): GroupAssignment {
  for (const partitions of assignment.values()) partitions.sort(comparePartitions);
  return assignment;
}

/** Writes the last assignment of a `sticky` member: partitions by topic, then the generation (version 1). */
function encodeLast({ partitions, generation }: LastAssignment): Uint8Array {
  const topics = groupBy(partitions, ({ topic }) => topic);
  const writer = new ByteWriter();
  writer.i32(topics.size);
  for (const [topic, entries] of topics) {
    const name = utf8(topic);
    writer.i16(name.length);
    writer.raw(name);
    writer.i32(entries.length);
    for (const { partition } of entries) writer.i32(partition);
  }
  writer.i32(generation);
  return writer.finish();
}

function readCount(reader: ByteReader, least: number): number {
  const count = reader.i32();
  if (count < 0 || count * least > reader.remaining()) throw new MalformedError(`${count} entries`);
  return count;
}

/** Reads what `encodeLast` writes; version 0 has no generation. */
function decodeLast(bytes: Uint8Array): Claim {
  const reader = new ByteReader(bytes);
  const partitions: AssignedPartition[] = [];
  for (let topics = readCount(reader, 6); topics > 0; topics--) {
    const length = reader.i16();
    if (length < 0) throw new MalformedError("a topic without a name");
    const topic = reader.text(length);
    for (let count = readCount(reader, 4); count > 0; count--) partitions.push({ topic, partition: reader.i32() });
  }
  return { partitions, generation: reader.remaining() >= 4 ? reader.i32() : undefined };
}

/** Claim of a member, from its user data. Data that cannot be read claims nothing, as in Kafka. */
const readSticky: ReadClaim = ({ subscription: { userData } }) => {
  if (userData === null || userData.length === 0) return { partitions: [], generation: undefined };
  try {
    return decodeLast(userData);
  } catch (error) {
    if (error instanceof MalformedError) return { partitions: [], generation: NO_GENERATION };
    throw error;
  }
};

/** Claim of a member: what it owns, in the generation of its subscription, or of its user data before version 2. */
const readCooperative: ReadClaim = ({ subscription: { owned, generation, userData } }) => {
  if (generation >= 0) return { partitions: owned, generation };
  if (userData === null) return { partitions: owned, generation: undefined };
  const isWhole = userData.length >= 4;
  return { partitions: owned, generation: isWhole ? new ByteReader(userData).i32() : NO_GENERATION };
};

function assignCooperatively(input: AssignorInput): GroupAssignment {
  const { assignment, moving } = deal(input, readCooperative);
  // A partition is free once its owner has joined again without it.
  for (const [square, to] of moving) {
    const partitions = assignment.get(to);
    if (partitions !== undefined)
      assignment.set(
        to,
        partitions.filter(place => place !== square),
      );
  }
  return sorted(assignment);
}

function encodeGeneration(generation: number): Uint8Array {
  const writer = new ByteWriter();
  writer.i32(generation);
  return writer.finish();
}

/**
 * Numbers of partitions as equal as the subscriptions allow, with as few moves as possible (`StickyAssignor`, KIP-54).
 * Members give up all partitions before they join, and tell in their user data what they have had.
 */
export const STICKY: Assignor = {
  name: "sticky",
  isCooperative: false,
  userData: last => (last === undefined ? null : encodeLast(last)),
  assign: input => sorted(deal(input, readSticky).assignment),
};

/**
 * `STICKY` for members that keep their partitions while they join again (`CooperativeStickyAssignor`, KIP-429): a
 * partition that moves is left out until its owner has given it up.
 */
export const COOPERATIVE_STICKY: Assignor = {
  name: "cooperative-sticky",
  isCooperative: true,
  userData: last => encodeGeneration(last?.generation ?? NO_GENERATION),
  assign: assignCooperatively,
};
