import { fromUtf8, MalformedError, parseUuid, type Uuid, utf8 } from "@samsa/base";

export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The file's entries; an empty file has none. Throws `MalformedError` when it is not what it should be. */
function readLines(bytes: Uint8Array, width: number): string[][] {
  const lines = fromUtf8(bytes).split("\n");
  // A torn file can end inside a number, and would pass for a whole one.
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

/** `leader-epoch-checkpoint`. */
export function readEpochs(bytes: Uint8Array): EpochStart[] {
  return readLines(bytes, 2).map(([epoch, offset]) => ({ epoch: number(epoch), startOffset: number(offset) }));
}

export function writeEpochs(epochs: readonly EpochStart[]): Uint8Array {
  return writeLines(epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`));
}

/** `recovery-point-offset-checkpoint` and its like: `topic partition offset` a line. */
export function readOffsets(bytes: Uint8Array): PartitionOffset[] {
  return readLines(bytes, 3).map(([topic, partition, offset]) => ({
    topic,
    partition: number(partition),
    offset: number(offset),
  }));
}

export function writeOffsets(offsets: readonly PartitionOffset[]): Uint8Array {
  return writeLines(offsets.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`));
}

/** `partition.metadata`: the id of the partition's topic; undefined when it names none. */
export function readTopicId(bytes: Uint8Array): Uuid | undefined {
  const match = /^topic_id: (\S+)$/m.exec(fromUtf8(bytes));
  return match === null ? undefined : parseUuid(match[1]);
}

export function writeTopicId(topicId: Uuid): Uint8Array {
  return utf8(`version: 0\ntopic_id: ${topicId}`);
}
