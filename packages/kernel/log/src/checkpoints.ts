import {
  entryAt,
  fromUtf8,
  type LeaderEpoch,
  MalformedError,
  type Offset,
  parseUuid,
  type PartitionIndex,
  utf8,
  type Uuid,
} from "@samsa/base";

/** Leader epoch and its first offset in the log. */
export interface EpochStart {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

/** Entry of an offset checkpoint. */
export interface PartitionOffset {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly offset: Offset;
}

/** Entries of a checkpoint file; an empty file has none. Throws `MalformedError` if it is malformed. */
function readLines(bytes: Uint8Array, width: number): string[][] {
  const lines = fromUtf8(bytes).split("\n");
  // A torn file can end inside a number, and would look complete.
  if (lines.pop() !== "") throw new MalformedError("a checkpoint's last line is not ended");
  if (lines.length === 0) return [];
  if (lines[0] !== "0") throw new MalformedError(`unknown checkpoint version ${lines[0]}`);
  const entries = lines.slice(2).map(line => line.split(/\s+/));
  if (Number(lines[1]) !== entries.length) {
    throw new MalformedError(`a checkpoint names ${lines[1]} entries and holds ${entries.length}`);
  }
  for (const entry of entries) {
    if (entry.length !== width) throw new MalformedError(`a checkpoint's line is not of ${width} words`);
  }
  return entries;
}

function writeLines(entries: readonly string[]): Uint8Array {
  return utf8(`0\n${entries.length}\n${entries.map(entry => `${entry}\n`).join("")}`);
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new MalformedError(`${text} in a checkpoint is not a number`);
  return value;
}

/** Decodes `leader-epoch-checkpoint`. Throws `MalformedError`. */
export function readEpochs(bytes: Uint8Array): EpochStart[] {
  return readLines(bytes, 2).map(line => ({ epoch: number(entryAt(line, 0)), startOffset: number(entryAt(line, 1)) }));
}

/** Encodes `leader-epoch-checkpoint`. */
export function writeEpochs(epochs: readonly EpochStart[]): Uint8Array {
  return writeLines(epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`));
}

/** Decodes `recovery-point-offset-checkpoint` and similar files: `topic partition offset` per line. */
export function readOffsets(bytes: Uint8Array): PartitionOffset[] {
  return readLines(bytes, 3).map(line => ({
    topic: entryAt(line, 0),
    partition: number(entryAt(line, 1)),
    offset: number(entryAt(line, 2)),
  }));
}

/** Encodes an offset checkpoint, the inverse of `readOffsets`. */
export function writeOffsets(offsets: readonly PartitionOffset[]): Uint8Array {
  return writeLines(offsets.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`));
}

/** Decodes `partition.metadata`: the topic id of the partition; undefined if the file has none. */
export function readTopicId(bytes: Uint8Array): Uuid | undefined {
  const match = /^topic_id: (\S+)$/m.exec(fromUtf8(bytes));
  return match === null ? undefined : parseUuid(entryAt(match, 1));
}

/** Encodes `partition.metadata`. */
export function writeTopicId(topicId: Uuid): Uint8Array {
  return utf8(`version: 0\ntopic_id: ${topicId}`);
}
