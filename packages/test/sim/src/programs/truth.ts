import { type BlockCodecs, fromUtf8 } from "@samsa/base";
import { logOf } from "@samsa/broker";
import { partitionKey } from "@samsa/client-kernel";
import { BatchCursor, CONTROL_TYPE, controlTypeOf, RecordCursor } from "@samsa/records";
import type { ClusterMachine } from "../cluster/machine.ts";

/** Record as it is in the log of its leader. */
export interface Written {
  readonly offset: number;
  readonly value: string;
  /** "plain": without a transaction; "open": nothing says yet whether its transaction counts. */
  fate: "plain" | "open" | "committed" | "aborted";
}

const READ_BYTES = 1 << 20;
const NONE: readonly Written[] = [];

/** Log of a partition, up to its high watermark. */
export interface TrueLog {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly Written[];
  /** Offset after the last record or marker. */
  readonly end: number;
}

type IndexedLog = TrueLog & { readonly byOffset: ReadonlyMap<number, Written> };

/** Logs of a cluster, read from the nodes themselves, without any client. */
export class Truth {
  readonly #logs: ReadonlyMap<string, IndexedLog>;

  constructor(logs: readonly TrueLog[]) {
    this.#logs = new Map(
      logs.map(log => {
        const byOffset = new Map(log.records.map(record => [record.offset, record]));
        return [partitionKey(log.topic, log.partition), { ...log, byOffset }];
      }),
    );
  }

  /** Reads all partitions of the topics from their leaders. Undefined: some partition has none at the moment. */
  static read(machines: readonly ClusterMachine[], topics: readonly string[], codecs: BlockCodecs): Truth | undefined {
    const logs: TrueLog[] = [];
    const wanted = new Set(topics);
    const known = machines.find(({ node }) => node !== undefined)?.node?.shared.loader.image;
    for (const { name, partitions } of known?.topics.values() ?? []) {
      if (!wanted.delete(name)) continue;
      for (const [index, { leader }] of partitions) {
        const node = machines.find(({ id }) => id === leader)?.node;
        const partition = node?.broker.topics.partitionsOf(name)[index];
        if (partition?.leader === undefined) return undefined;
        const { highWatermark } = partition;
        if (highWatermark < partition.endOffset) return undefined;
        const log = logOf(partition);
        const chunksFrom = (offset: number): readonly Uint8Array[] =>
          log.read({ offset, maxBytes: READ_BYTES, minOneMessage: true, limitOffset: highWatermark }).chunks;
        const records = recordsOf(chunksFrom, { from: log.startOffset, end: highWatermark, codecs });
        logs.push({ topic: name, partition: index, records, end: highWatermark });
      }
    }
    return wanted.size === 0 ? new Truth(logs) : undefined;
  }

  get logs(): Iterable<TrueLog> {
    return this.#logs.values();
  }

  log(topic: string, partition: number): TrueLog | undefined {
    return this.#logs.get(partitionKey(topic, partition));
  }

  /** First record whose transaction is not decided. */
  undecided(): string | undefined {
    for (const { topic, partition, records } of this.logs) {
      const open = records.find(({ fate }) => fate === "open");
      if (open !== undefined) return `nobody has decided on ${open.value} in ${topic}-${partition} at ${open.offset}`;
    }
    return undefined;
  }

  /** Records of a partition; with `isCommittedOnly` those that a reader of committed records gets. */
  visible(topic: string, partition: number, isCommittedOnly: boolean): readonly Written[] {
    const all = this.#logs.get(partitionKey(topic, partition))?.records ?? NONE;
    return isCommittedOnly ? all.filter(({ fate }) => fate === "plain" || fate === "committed") : all;
  }

  at(topic: string, partition: number, offset: number): Written | undefined {
    return this.#logs.get(partitionKey(topic, partition))?.byOffset.get(offset);
  }
}

function recordsOf(
  chunksFrom: (offset: number) => readonly Uint8Array[],
  { from, end, codecs }: { readonly from: number; readonly end: number; readonly codecs: BlockCodecs },
): Written[] {
  const records: Written[] = [];
  /** Records of open transactions, by producer. */
  const open = new Map<bigint, Written[]>();
  const cursor = new RecordCursor();
  let next = from;
  while (next < end) {
    const before = next;
    for (const chunk of chunksFrom(next)) {
      for (const batch = new BatchCursor(chunk); batch.next(); ) {
        if (batch.lastOffset < next) continue;
        next = batch.lastOffset + 1;
        cursor.open(batch, codecs);
        if (batch.isControl) decide(open, batch.producerId, cursor);
        else read(batch, cursor, records, open);
      }
    }
    if (next === before) break;
  }
  return records;
}

/** Takes note of the end of a transaction. */
function decide(open: Map<bigint, Written[]>, producerId: bigint, cursor: RecordCursor): void {
  if (!cursor.next()) return;
  const type = controlTypeOf(cursor.key() ?? new Uint8Array(0));
  if (type !== CONTROL_TYPE.commit && type !== CONTROL_TYPE.abort) return;
  for (const record of open.get(producerId) ?? []) record.fate = type === CONTROL_TYPE.commit ? "committed" : "aborted";
  open.delete(producerId);
}

function read(batch: BatchCursor, cursor: RecordCursor, records: Written[], open: Map<bigint, Written[]>): void {
  const mine = batch.isTransactional ? (open.get(batch.producerId) ?? []) : undefined;
  if (mine !== undefined) open.set(batch.producerId, mine);
  while (cursor.next()) {
    const value = fromUtf8(cursor.value() ?? new Uint8Array(0));
    const record: Written = { offset: cursor.offset, value, fate: mine === undefined ? "plain" : "open" };
    records.push(record);
    mine?.push(record);
  }
}
