import type { Acknowledged } from "@samsa/interop";

/** Record of a partition, as a reader gets it. */
export interface Logged {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** History of one topic with one producer, whose values begin with an ascending number and are never sent twice. */
export interface History {
  readonly acknowledged: readonly Acknowledged[];
  /** All records of all partitions, each partition in the order of its offsets. */
  readonly log: readonly Logged[];
  /** Records that consumers got while the faults lasted. */
  readonly reads: readonly Logged[];
  /** True if the producer may have sent the value, acknowledged or not. */
  readonly isSent: (value: string) => boolean;
}

/** Faults of a history: for each kind the records, as text. Duplicates are faults only of an idempotent producer. */
export interface Anomalies {
  /** Acknowledged values that no partition has. */
  readonly lost: readonly string[];
  /** Values at more than one offset. */
  readonly duplicated: readonly string[];
  /** Values that come after a later one of the same partition, or offsets that do not ascend. */
  readonly reordered: readonly string[];
  /** Values that were never sent. */
  readonly invented: readonly string[];
  /** Acknowledged values that are not at the offset that was told. */
  readonly misplaced: readonly string[];
  /** Records that a consumer got, and that are not in the log. */
  readonly vanished: readonly string[];
}

function place({ partition, offset }: { readonly partition?: number; readonly offset?: number }): string {
  return `${partition}/${offset}`;
}

/** Values that follow a later one in a partition, by the numbers that they begin with. Repeated values do not count. */
function findReordered(log: readonly Logged[]): string[] {
  const last = new Map<number, { readonly offset: number; readonly sequence: number }>();
  const seen = new Set<string>();
  const found: string[] = [];
  for (const record of log) {
    const { partition, offset, value } = record;
    const before = last.get(partition) ?? { offset: -1, sequence: -1 };
    const sequence = Number.parseInt(value, 10);
    const isLate = offset <= before.offset || (!seen.has(value) && sequence < before.sequence);
    seen.add(value);
    if (isLate) found.push(`${place(record)} ${sequence}`);
    last.set(partition, { offset, sequence: Math.max(sequence, before.sequence) });
  }
  return found;
}

/** Compares the answers that a producer and consumers got with what the partitions hold in the end. */
export function checkHistory({ acknowledged, log, reads, isSent }: History): Anomalies {
  const counts = new Map<string, number>();
  for (const { value } of log) counts.set(value, (counts.get(value) ?? 0) + 1);
  const byPlace = new Map(log.map(record => [place(record), record.value]));
  const short = (value: string): string => value.slice(0, 20);
  return {
    lost: acknowledged.filter(({ value }) => !counts.has(value)).map(ack => `${place(ack)} ${short(ack.value)}`),
    duplicated: [...counts].filter(([, count]) => count > 1).map(([value, count]) => `${short(value)} ${count} times`),
    reordered: findReordered(log),
    invented: [...counts.keys()].filter(value => !isSent(value)).map(short),
    misplaced: acknowledged
      .filter(ack => ack.offset !== undefined && counts.has(ack.value) && byPlace.get(place(ack)) !== ack.value)
      .map(ack => `${place(ack)} ${short(ack.value)}`),
    vanished: reads
      .filter(read => byPlace.get(place(read)) !== read.value)
      .map(read => `${place(read)} ${short(read.value)}`),
  };
}

/** Sentences about anomalies that break a rule; empty if there are none. */
export function brokenBy(anomalies: Anomalies, { idempotent }: { readonly idempotent: boolean }): string[] {
  return Object.entries(anomalies).flatMap(([kind, found]: [string, readonly string[]]) =>
    found.length === 0 || (kind === "duplicated" && !idempotent)
      ? []
      : [`${found.length} records are ${kind}: ${found.slice(0, 3).join(", ")}`],
  );
}

/** Partitions whose committed offset is below one that was acknowledged before. */
export function fallenOffsets(
  acknowledged: ReadonlyMap<number, number>,
  committed: ReadonlyMap<number, number>,
): string[] {
  return [...acknowledged].flatMap(([partition, offset]) => {
    const now = committed.get(partition) ?? -1;
    return now < offset ? [`partition ${partition} is committed up to ${now} after ${offset} was acknowledged`] : [];
  });
}
