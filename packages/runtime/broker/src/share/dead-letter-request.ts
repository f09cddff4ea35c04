import type { Offset, PartitionIndex, Uuid } from "@samsa/base";
import {
  DeadLetterBatch,
  type DeadLetterOutcome,
  type DeadLetterWrite,
  type LogRead,
  OriginalRecords,
} from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import type { Tools } from "@samsa/records";
import type { RequestOf, ResponseOf } from "@samsa/wire";

/** Bytes of a request from which it takes no further letter. */
const REQUEST_BYTES = 1 << 20;
/** Bytes that are read and decompressed for a request, from which it takes no further letter. */
const READ_BYTES = 4 << 20;
/** Time that the leader may wait for its replicas, in ms (`ServerConfigs.REQUEST_TIMEOUT_MS_DEFAULT`). */
const TIMEOUT_MS = 30_000;

/** Means to read records and to write batches. */
export interface PackingTools {
  readonly tools: Tools;
  /** Current time, in ms since the epoch. */
  readonly now: () => number;
  /** Reads the log that letters come from; undefined: they carry no data. */
  readonly readerOf: (write: DeadLetterWrite) => ((offset: Offset) => LogRead) | undefined;
}

/** Letters of a write that a request carries. */
interface Packed {
  readonly write: DeadLetterWrite;
  readonly lastOffset: Offset;
}

/** Partition that a request writes to. */
interface Destination {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
  readonly batch: DeadLetterBatch;
  /** True once a letter did not fit: later ones must not overtake it. */
  isFull: boolean;
}

/** Produce request that writes dead letters, a batch for each partition. It carries at least one. */
export class DeadLetterRequest {
  readonly #tools: PackingTools;
  readonly #destinations = new Map<string, Destination>();
  readonly #originals = new Map<string, OriginalRecords>();
  readonly #packed: Packed[] = [];
  /** Bytes of all batches. */
  #size = 0;
  /** Bytes that were read. */
  #read = 0;

  /** Packs what fits. Reads the logs of the letters, for those that carry data. */
  constructor(writes: readonly DeadLetterWrite[], tools: PackingTools) {
    this.#tools = tools;
    try {
      for (const write of writes) {
        if (this.#packed.length > 0 && this.#isFull) break;
        const lastOffset = this.#pack(write);
        if (lastOffset >= write.letters.firstOffset) this.#packed.push({ write, lastOffset });
      }
    } finally {
      for (const originals of this.#originals.values()) originals.close();
    }
  }

  get #isFull(): boolean {
    return this.#size >= REQUEST_BYTES || this.#read >= READ_BYTES;
  }

  /** Packs letters of one write; returns the last offset that is in the request. */
  #pack(write: DeadLetterWrite): Offset {
    const { letters } = write;
    const destination = this.#destinationOf(write);
    const originals = this.#originalsOf(write);
    if (destination.isFull) return letters.firstOffset - 1;
    const { batch } = destination;
    for (let offset = letters.firstOffset; offset <= letters.lastOffset; offset++) {
      const [size, read] = [batch.size, originals?.bytes ?? 0];
      const isAdded = batch.add(letters, offset, originals?.at(offset), this.#tools.now());
      this.#size += batch.size - size;
      this.#read += (originals?.bytes ?? 0) - read;
      destination.isFull = !isAdded;
      if (!isAdded) return offset - 1;
      if (this.#isFull) return offset;
    }
    return letters.lastOffset;
  }

  #destinationOf({ topic, topicId, partition: index, maxMessageBytes }: DeadLetterWrite): Destination {
    const id = `${topicId}-${index}`;
    let destination = this.#destinations.get(id);
    if (destination === undefined) {
      destination = { topic, topicId, index, batch: new DeadLetterBatch(maxMessageBytes), isFull: false };
      this.#destinations.set(id, destination);
    }
    return destination;
  }

  /** Records that letters of one partition come from; letters of one request share what was read. */
  #originalsOf(write: DeadLetterWrite): OriginalRecords | undefined {
    const { topicId, partition } = write.letters;
    const readFrom = this.#tools.readerOf(write);
    if (readFrom === undefined) return undefined;
    const id = `${topicId}-${partition}-${write.maxMessageBytes}`;
    let originals = this.#originals.get(id);
    if (originals === undefined) {
      originals = new OriginalRecords(readFrom, this.#tools.tools, write.maxMessageBytes);
      this.#originals.set(id, originals);
    }
    return originals;
  }

  /** Number of letters that the request carries, for each write. */
  get counts(): readonly { readonly write: DeadLetterWrite; readonly count: number }[] {
    return this.#packed.map(({ write, lastOffset }) => ({ write, count: lastOffset - write.letters.firstOffset + 1 }));
  }

  /** Body of the request, which is built once. */
  body(): RequestOf<"Produce"> {
    const topics = new Map<Uuid, { name: string; topicId: Uuid; partitionData: Partition[] }>();
    for (const { topic: name, topicId, index, batch } of this.#destinations.values()) {
      if (batch.count === 0) continue;
      const data = topics.get(topicId) ?? { name, topicId, partitionData: [] };
      data.partitionData.push({ index, records: [batch.finish(this.#tools.tools)] });
      topics.set(topicId, data);
    }
    return { transactionalId: null, acks: -1, timeoutMs: TIMEOUT_MS, topicData: [...topics.values()] };
  }

  /** Outcomes from the response of the leader. */
  outcomes({ responses }: ResponseOf<"Produce">): readonly DeadLetterOutcome[] {
    return this.#outcomes(({ topic, topicId, partition }) => {
      const of = responses.find(({ topicId: id, name }) => id === topicId || name === topic);
      const answer = of?.partitionResponses.find(({ index }) => index === partition);
      return answer?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR.code;
    });
  }

  /** Outcomes of a request that failed as a whole. */
  failed(errorCode: number): readonly DeadLetterOutcome[] {
    return this.#outcomes(() => errorCode);
  }

  #outcomes(errorOf: (write: DeadLetterWrite) => number): readonly DeadLetterOutcome[] {
    return this.#packed.map(({ write, lastOffset }) => ({
      ticket: write.ticket,
      errorCode: errorOf(write),
      lastOffset,
    }));
  }
}

interface Partition {
  readonly index: PartitionIndex;
  readonly records: readonly Uint8Array[];
}
