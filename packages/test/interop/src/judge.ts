import type { Codec } from "./codecs.ts";

/** A record to be written. Without a partition the client chooses one. */
export interface Draft {
  readonly partition?: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Read {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a client was promised: this value is at this offset. Clients that do not tell leave the place out. */
export interface Acknowledged {
  readonly partition?: number;
  readonly offset?: number;
  readonly value: string;
}

export interface Load {
  /** Stops producing and waits until everything sent is acknowledged. Rejects when the client gave up on a record. */
  stop(): Promise<void>;
}

/** What the crash scenario asks of a client. */
export interface Producing {
  /** Whether its producer never writes a record twice. */
  readonly idempotent: boolean;
  createTopic(topic: string, partitions: number): Promise<void>;
  /** Joins `group`, reads `count` records from where the group is, commits exactly these, and leaves. */
  consume(topic: string, group: string, count: number): Promise<Read[]>;
  /** Produces values that begin with an ascending number, acks=all, until stopped. */
  load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load>;
}

/** A client with the whole breadth of records. */
export interface Judge extends Producing {
  readonly codecs: readonly Codec[];
  /** Whether a record goes where its draft says; otherwise the client chooses. */
  readonly places: boolean;
  produce(topic: string, codec: Codec, records: readonly Draft[]): Promise<void>;
}

/** The value of one record of a load: a number to see the order by, and some weight. */
export function loadValue(sequence: number): string {
  return `${sequence}:${"samsa".repeat(20)}`;
}
