import type { Codec } from "./codecs.ts";

/** Record to write. Without a partition the client chooses one. */
export interface Draft {
  readonly partition?: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Record that a client has read. */
export interface Read {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Acknowledged value and its place. Clients that do not report the place leave it out. */
export interface Acknowledged {
  readonly partition?: number;
  readonly offset?: number;
  readonly value: string;
}

/** Running load of a client. */
export interface Load {
  /** Stops producing and waits until everything sent is acknowledged. Rejects when the client gave up on a record. */
  stop(): Promise<void>;
}

/** Client operations that the crash scenario needs. */
export interface Producing {
  /** True if its producer never writes a record twice. */
  readonly idempotent: boolean;
  createTopic(topic: string, partitions: number): Promise<void>;
  /** Joins `group`, reads `count` records from its committed offsets, commits exactly these, and leaves. */
  consume(topic: string, group: string, count: number): Promise<Read[]>;
  /** Produces values that begin with an ascending number, acks=all, until stopped. */
  load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load>;
}

/** Client that writes all kinds of records with all codecs. */
export interface Judge extends Producing {
  readonly codecs: readonly Codec[];
  /** True if a record goes to the partition of its draft; otherwise the client chooses. */
  readonly places: boolean;
  produce(topic: string, codec: Codec, records: readonly Draft[]): Promise<void>;
}

/** Value of a record of a load: its sequence number, which shows the order, and 100 bytes. */
export function loadValue(sequence: number): string {
  return `${sequence}:${"samsa".repeat(20)}`;
}
