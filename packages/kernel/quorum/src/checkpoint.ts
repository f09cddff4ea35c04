import { type LeaderEpoch, MalformedError, nearestNumber, type Offset } from "@samsa/base";
import { encodeMetadataRecord, type MetadataRecord } from "@samsa/protocol";
import { BatchBuilder, type Tools, type VoterDescription } from "@samsa/records";
import { controlBatch, MAX_METADATA_BATCH, metadataBatchSteps } from "./metadata-log.ts";

/** Id of a snapshot: the offset after its last record, and that record's epoch (`OffsetAndEpoch`). */
export interface SnapshotId {
  readonly offset: Offset;
  readonly epoch: LeaderEpoch;
}

/** Id of the snapshot that a new cluster is formatted with. */
export const BOOTSTRAP_SNAPSHOT: SnapshotId = { offset: 0, epoch: 0 };

const SUFFIX = ".checkpoint";
const NAME = /^(\d{20})-(\d{10})\.checkpoint(\.part|\.deleted)?$/;

/** File name, as `00000000000000000000-0000000000.checkpoint`; `.part` during the write, `.deleted` before removal. */
export function checkpointName({ offset, epoch }: SnapshotId, state: "" | ".part" | ".deleted" = ""): string {
  return `${String(offset).padStart(20, "0")}-${String(epoch).padStart(10, "0")}${SUFFIX}${state}`;
}

/** Snapshot id in a file name, and whether the file is complete; undefined for other files. */
export function parseCheckpointName(name: string): (SnapshotId & { readonly complete: boolean }) | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [offset, epoch] = [Number(match[1]), Number(match[2])];
  if (!Number.isSafeInteger(offset) || epoch > 0x7fffffff) return undefined;
  return { offset, epoch, complete: match[3] === undefined };
}

/** Newest complete snapshot among the files of a directory. */
export function latestCheckpoint(names: readonly string[]): SnapshotId | undefined {
  let latest: SnapshotId | undefined;
  for (const name of names) {
    const found = parseCheckpointName(name);
    if (found === undefined || !found.complete) continue;
    const { offset, epoch } = found;
    if (latest === undefined || offset > latest.offset || (offset === latest.offset && epoch > latest.epoch)) {
      latest = { offset, epoch };
    }
  }
  return latest;
}

/** Content of a snapshot. */
export interface Snapshot {
  /** Append time of the last record in it, in milliseconds since 1970; 0 for the bootstrap snapshot. */
  readonly lastContainedLogTimestamp: number;
  readonly kraftVersion: number;
  /** Voters, from kraft.version 1 on. */
  readonly voters: readonly VoterDescription[] | undefined;
  readonly records: readonly MetadataRecord[];
}

/** Snapshot to encode. */
type Written = Snapshot & { readonly writtenAt: number };

/** Work on a snapshot in steps: it may pause at each undefined. */
export type SnapshotSteps<T> = Generator<undefined, T, undefined>;

function atOnce<T>(steps: SnapshotSteps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Encodes the batches of a snapshot file, to write one after the other. Offsets in it count from 0. */
export function encodeSnapshot(id: SnapshotId, snapshot: Written, tools: Tools): Uint8Array[] {
  return atOnce(encodeSnapshotSteps(id, snapshot, { tools, most: Infinity }));
}

/** Encodes as `encodeSnapshot` does, with a pause after each `most` records. */
export function* encodeSnapshotSteps(
  id: SnapshotId,
  snapshot: Written,
  { tools, most }: { readonly tools: Tools; readonly most: number },
): SnapshotSteps<Uint8Array[]> {
  const { lastContainedLogTimestamp, kraftVersion, voters, records, writtenAt: timestamp } = snapshot;
  const { epoch } = id;
  const head = [
    { type: "snapshotHeader", lastContainedLogTimestamp } as const,
    ...(kraftVersion >= 1 ? [{ type: "kraftVersion", kraftVersion } as const] : []),
    ...(kraftVersion >= 1 && voters !== undefined ? [{ type: "kraftVoters", voters } as const] : []),
  ];
  const batches = [controlBatch(head, { baseOffset: 0, epoch, timestamp }, tools)];
  let offset = head.length;
  let builder: BatchBuilder | undefined;
  const flush = () => {
    if (builder === undefined) return;
    batches.push(builder.build());
    offset += builder.count;
    builder = undefined;
  };
  let count = 0;
  for (const record of records) {
    if (++count % most === 0) yield undefined;
    const value = encodeMetadataRecord(record);
    // The framing of a record takes less than 64 bytes.
    if (builder !== undefined && builder.size + value.length + 64 > MAX_METADATA_BATCH) flush();
    builder ??= new BatchBuilder({ baseOffset: offset, leaderEpoch: epoch }, tools);
    builder.append({ timestamp, key: null, value });
  }
  flush();
  batches.push(controlBatch([{ type: "snapshotFooter" }], { baseOffset: offset, epoch, timestamp }, tools));
  return batches;
}

/** Decodes a snapshot file. Throws `MalformedError` if it is damaged, or lacks its header or footer. */
export function decodeSnapshot(bytes: Uint8Array, tools: Tools): Snapshot {
  return atOnce(decodeSnapshotSteps(bytes, { tools, most: Infinity }));
}

/** Decodes as `decodeSnapshot` does, with a pause after each `most` records. */
export function* decodeSnapshotSteps(
  bytes: Uint8Array,
  { tools, most }: { readonly tools: Tools; readonly most: number },
): SnapshotSteps<Snapshot> {
  let header: number | undefined;
  let finished = false;
  let kraftVersion = 0;
  let voters: readonly VoterDescription[] | undefined;
  const records: MetadataRecord[] = [];
  for (const batch of metadataBatchSteps(bytes, tools, most)) {
    if (batch === undefined) {
      yield undefined;
      continue;
    }
    if (finished) throw new MalformedError("a snapshot goes on after its footer");
    for (const control of batch.control) {
      if (control.type === "snapshotHeader") header = nearestNumber(control.lastContainedLogTimestamp);
      else if (control.type === "kraftVersion") kraftVersion = control.kraftVersion;
      else if (control.type === "kraftVoters") voters = control.voters;
      else if (control.type === "snapshotFooter") finished = true;
    }
    if (header === undefined) throw new MalformedError("a snapshot begins without its header");
    for (const record of batch.records) records.push(record);
  }
  if (header === undefined || !finished) throw new MalformedError("a snapshot ends without its footer");
  return { lastContainedLogTimestamp: header, kraftVersion, voters, records };
}
