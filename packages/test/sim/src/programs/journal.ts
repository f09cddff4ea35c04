import { partitionKey, type TopicPartition } from "@samsa/client-kernel";
import { Violation } from "../ledgers/rules.ts";

/** Fate of a record, as its producer was told. */
export type Fate =
  /** The program has not heard of an end so far. */
  | "open"
  | "acknowledged"
  /** Perhaps written. */
  | "failed"
  /** The producer has not taken it, so it has never left. */
  | "refused"
  /** The program has given it up before the producer took it. */
  | "withdrawn";

/** Transaction of a program. */
export interface Transaction {
  readonly name: string;
  readonly records: Sent[];
  /** "open": the program has crashed, or does not know. */
  fate: "open" | "committed" | "aborted";
  /** Place in the order of events at which the program has asked for the commit. */
  commitAt: number;
}

/** Record that a program has sent. */
export interface Sent {
  readonly value: string;
  readonly topic: string;
  /** Producer that has sent it. */
  readonly by: Sender;
  /** Place among the records of its producer. */
  order: number;
  /** Place in the order of events at which it was sent. */
  readonly sentAt: number;
  readonly transaction: Transaction | undefined;
  /** −1: the producer chooses it. */
  readonly partition: number;
  readonly key: string | null;
  fate: Fate;
  /** Place in the log; −1: not known. */
  at: { readonly partition: number; readonly offset: number } | undefined;
}

/** Producer of one opening of a program. */
export interface Sender {
  readonly name: string;
  readonly isIdempotent: boolean;
  count: number;
}

/** Record that a program has got. */
export interface Read {
  readonly offset: number;
  readonly value: string;
  /** Place in the order of events. */
  readonly at: number;
  /** Place at which the program was done with it; Infinity: never. */
  doneAt: number;
}

/** Facts of a `Period`. */
export interface PeriodFacts {
  /** Process that reads. */
  readonly reader: string;
  /** Undefined: the reader is in no group. */
  readonly group: string | undefined;
  readonly isCommittedOnly: boolean;
  /** Records come in the order of the log. */
  readonly isOrdered: boolean;
  /** Offset at which it begins, if the program has chosen it. */
  readonly from?: number | undefined;
}

/** Time in which a program reads a partition without a break. */
export interface Period extends PeriodFacts, TopicPartition {
  readonly startedAt: number;
  endedAt: number;
  readonly reads: Read[];
}

/** Offsets of a group that the client has reported as committed. */
export interface Commit extends TopicPartition {
  readonly group: string;
  readonly offset: number;
  /** Places in the order of events at which it was asked for and reported. */
  readonly began: number;
  readonly at: number;
}

/** Everything that programs have done and were told, in one order. */
export class Journal {
  readonly sent = new Map<string, Sent>();
  readonly transactions = new Map<string, Transaction>();
  readonly periods: Period[] = [];
  readonly commits: Commit[] = [];
  /** Faults are over and all programs have settled: from now on Kafka promises more. */
  isCalm = false;
  /** Place in the order of events at which it became calm. */
  calmAt = Infinity;
  /** Counts of what happens in some scenarios only. */
  readonly counts = new Map<string, number>();
  #now = 0;
  readonly #open = new Map<string, Set<Period>>();

  /** Next place in the order of events. */
  tick(): number {
    return ++this.#now;
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  calm(): void {
    this.isCalm = true;
    this.calmAt = this.tick();
  }

  /** Notes a record before it is sent. Values are unique. */
  send(
    by: Sender,
    place: { readonly topic: string; readonly partition?: number; readonly key?: string | null },
    value: string,
    transaction?: Transaction,
  ): Sent {
    const { topic, partition = -1, key = null } = place;
    const facts = { value, topic, partition, key, by, transaction };
    const sent: Sent = { ...facts, order: ++by.count, sentAt: this.tick(), fate: "open", at: undefined };
    if (this.sent.has(value)) throw new Error(`${value} is sent twice`);
    this.sent.set(value, sent);
    transaction?.records.push(sent);
    return sent;
  }

  /** The producer has taken a record only now, behind others. */
  taken(sent: Sent): void {
    sent.order = ++sent.by.count;
  }

  acknowledged(sent: Sent, partition: number, offset: number): void {
    if (sent.fate !== "open") throw new Violation("a record has two ends", `${sent.value}: ${sent.fate} before`);
    sent.fate = "acknowledged";
    sent.at = { partition, offset };
    this.count("acknowledged");
  }

  failed(sent: Sent, fate: "failed" | "refused" | "withdrawn"): void {
    if (sent.fate !== "open") throw new Violation("a record has two ends", `${sent.value}: ${sent.fate} before`);
    sent.fate = fate;
    this.count(fate);
  }

  begin(name: string): Transaction {
    const transaction: Transaction = { name, records: [], fate: "open", commitAt: Infinity };
    this.transactions.set(name, transaction);
    return transaction;
  }

  /** Begins to read a partition. Without faults it has no other owner in the group. */
  assigned(facts: PeriodFacts, { topic, partition }: TopicPartition): Period {
    const period: Period = { ...facts, topic, partition, startedAt: this.tick(), endedAt: Infinity, reads: [] };
    this.periods.push(period);
    if (facts.group === undefined) return period;
    const owners = this.ownersOf(facts.group, period);
    const [other] = owners;
    if (other !== undefined && this.isCalm) {
      const detail = `${topic}-${partition} of ${facts.group}: ${other.reader} and ${facts.reader}`;
      throw new Violation("a partition has two owners", detail);
    }
    owners.add(period);
    return period;
  }

  ended(period: Period): void {
    if (period.endedAt < Infinity) return;
    period.endedAt = this.tick();
    if (period.group !== undefined) this.ownersOf(period.group, period).delete(period);
  }

  /** Periods of a partition in a group that have not ended. */
  ownersOf(group: string, { topic, partition }: TopicPartition): Set<Period> {
    const key = `${group}/${partitionKey(topic, partition)}`;
    const owners = this.#open.get(key) ?? new Set();
    this.#open.set(key, owners);
    return owners;
  }

  read(period: Period, offset: number, value: string): Read {
    if (period.endedAt < Infinity) {
      const where = `${period.topic}-${period.partition} at ${offset}`;
      throw new Violation("a record of a lost partition was read", `${period.reader} gets ${where}`);
    }
    const read: Read = { offset, value, at: this.tick(), doneAt: Infinity };
    period.reads.push(read);
    this.count("read");
    return read;
  }

  done(read: Read): void {
    if (read.doneAt === Infinity) read.doneAt = this.tick();
  }
}
