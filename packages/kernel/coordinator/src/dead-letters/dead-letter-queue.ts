import {
  type BrokerId,
  DeadlineHeap,
  ExponentialBackoff,
  invariant,
  type Offset,
  type PartitionIndex,
  type Uuid,
} from "@samsa/base";
import { errorOf, Errors } from "@samsa/protocol";
import type { Ticket } from "../shard/effects.ts";
import type { DeadLetters } from "./dead-letter.ts";
import { type DeadLetterView, deadLetterTopicFault } from "./dead-letter-topic.ts";

/** Dead letters to write to a partition. */
export interface DeadLetterWrite {
  readonly ticket: Ticket;
  /** Letters that are not written yet. */
  readonly letters: DeadLetters;
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
  /** `max.message.bytes` of the topic. */
  readonly maxMessageBytes: number;
}

/** Outcome of a write. */
export interface DeadLetterOutcome {
  readonly ticket: Ticket;
  /** 0, or the error of the partition; NETWORK_EXCEPTION if the broker has not answered. */
  readonly errorCode: number;
  /** Last record whose letter was in the request. */
  readonly lastOffset: Offset;
}

/** Effects of a `DeadLetterQueue`, for its host to carry out. */
export type DeadLetterEffect =
  /** Create the topic for dead letters, then call `created`. */
  | { readonly type: "create"; readonly topic: string }
  /** Send as many of the letters to the leader as fit into a request, then call `written`. */
  | { readonly type: "write"; readonly leader: BrokerId; readonly writes: readonly DeadLetterWrite[] }
  /** The letters are written, or never will be. */
  | { readonly type: "done"; readonly ticket: Ticket; readonly fault: string | undefined };

/** Letters on their way (`ProduceRequestHandler`). */
interface Entry {
  readonly ticket: Ticket;
  letters: DeadLetters;
  /** Failures to find or create the topic since the last success. */
  searches: number;
  /** Failures of writes since the last success. */
  failures: number;
  /** Place that was chosen last. */
  place: Pick<DeadLetterWrite, "topic" | "topicId" | "partition" | "maxMessageBytes"> | undefined;
}

/** Attempts of a write, and of a search for its topic (`MAX_REQUEST_ATTEMPTS`). */
const ATTEMPTS = 5;
/** Delays between two attempts (`REQUEST_BACKOFF_MS`, `REQUEST_BACKOFF_MAX_MS`). */
const BACKOFF = new ExponentialBackoff({ initialMs: 1000, maxMs: 30_000, jitter: 0.2 });
/** Most entries of a request. */
const AT_ONCE = 500;
/** Most entries; later ones fail. Each is a record in flight at least, whose number has a limit of its own. */
const MOST = 100_000;

/** Errors of a creation after which the topic may be there, or may be created yet. */
const TOPIC_MAY_COME: ReadonlySet<number> = new Set([
  Errors.NONE.code,
  Errors.TOPIC_ALREADY_EXISTS.code,
  Errors.THROTTLING_QUOTA_EXCEEDED.code,
  Errors.NETWORK_EXCEPTION.code,
  Errors.REQUEST_TIMED_OUT.code,
]);
/**
 * Errors of a write that is repeated. Kafka repeats those of the connection and of an old leader only; the others are of
 * a leader that is not ready, and has appended nothing.
 */
const RETRIABLE: ReadonlySet<number> = new Set([
  Errors.NETWORK_EXCEPTION.code,
  Errors.NOT_LEADER_OR_FOLLOWER.code,
  Errors.UNKNOWN_TOPIC_OR_PARTITION.code,
  Errors.UNKNOWN_TOPIC_ID.code,
  Errors.NOT_ENOUGH_REPLICAS.code,
  Errors.KAFKA_STORAGE_ERROR.code,
]);

/**
 * Dead letters of share partitions on their way to the topics of their groups (KIP-1191, `ShareGroupDLQStateManager`):
 * finds or creates the topic, writes to one leader at a time, in order, and repeats what fails, a few times. Letters
 * carry no data here: their records are read when they are written.
 */
export class DeadLetterQueue {
  readonly #view: DeadLetterView;
  readonly #entries = new Map<Ticket, Entry>();
  /** Entries that wait for the creation of a topic. */
  readonly #creating = new Map<string, Entry[]>();
  /** Entries that wait for a leader, in order. */
  readonly #waiting = new Map<BrokerId, Entry[]>();
  /** Entries in the request to a leader. */
  readonly #writing = new Map<BrokerId, readonly Entry[]>();
  readonly #retries = new DeadlineHeap<Entry>();

  constructor(view: DeadLetterView) {
    this.#view = view;
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }

  /** Takes letters, whose ticket ends with a done effect, at once if they cannot be written. */
  add(now: number, chance: number, { ticket, letters }: NewEntry, out: DeadLetterEffect[]): void {
    invariant(!this.#entries.has(ticket), "a ticket is for one entry");
    if (this.#entries.size >= MOST) {
      return void out.push({ type: "done", ticket, fault: "Too many dead letters wait to be written." });
    }
    const entry = { ticket, letters, searches: 0, failures: 0, place: undefined };
    this.#entries.set(ticket, entry);
    this.#route(now, chance, entry, out);
  }

  #done({ ticket }: Entry, fault: string | undefined, out: DeadLetterEffect[]): void {
    this.#entries.delete(ticket);
    out.push({ type: "done", ticket, fault });
  }

  /** Has the entry wait for its topic or for the leader of its partition. The settings may have changed since. */
  #route(now: number, chance: number, entry: Entry, out: DeadLetterEffect[]): void {
    const { groupId, partition: source } = entry.letters;
    const fault = deadLetterTopicFault(this.#view, groupId);
    if (fault !== undefined) return this.#done(entry, fault, out);
    const name = this.#view.topicNameOf(groupId);
    const topic = this.#view.topic(name);
    if (topic === undefined) return this.#create(name, entry, out);
    const partition = source % Math.max(1, topic.partitionCount);
    const leader = topic.leaderOf(partition);
    if (leader < 0) return this.#searchLater(now, chance, entry, out);
    entry.searches = 0;
    entry.place = { topic: name, topicId: topic.id, partition, maxMessageBytes: topic.maxMessageBytes };
    const waiting = this.#waiting.get(leader);
    if (waiting === undefined) this.#waiting.set(leader, [entry]);
    else waiting.push(entry);
    this.#write(leader, out);
  }

  #create(name: string, entry: Entry, out: DeadLetterEffect[]): void {
    const creating = this.#creating.get(name);
    if (creating !== undefined) return void creating.push(entry);
    this.#creating.set(name, [entry]);
    out.push({ type: "create", topic: name });
  }

  /** Takes the outcome of a creation: 0, or its error. `chance` is a number in [0, 1). */
  created(now: number, chance: number, { topic, errorCode }: Creation, out: DeadLetterEffect[]): void {
    const entries = this.#creating.get(topic);
    invariant(entries !== undefined, "a creation ends once");
    this.#creating.delete(topic);
    const isThere = this.#view.topic(topic) !== undefined;
    for (const entry of entries) {
      if (!TOPIC_MAY_COME.has(errorCode)) this.#done(entry, creationFault(topic, errorCode), out);
      // The metadata here may not include the new topic yet.
      else if (isThere) this.#route(now, chance, entry, out);
      else this.#searchLater(now, chance, entry, out);
    }
  }

  #searchLater(now: number, chance: number, entry: Entry, out: DeadLetterEffect[]): void {
    if (++entry.searches >= ATTEMPTS) return this.#done(entry, "The topic for dead letters is not available.", out);
    this.#retries.push(now + BACKOFF.delayMs(entry.searches, chance), entry);
  }

  /** Sends the entries that wait for a leader, unless a request to it is on its way. */
  #write(leader: BrokerId, out: DeadLetterEffect[]): void {
    const waiting = this.#waiting.get(leader);
    if (waiting === undefined || this.#writing.has(leader)) return;
    const entries = waiting.splice(0, AT_ONCE);
    if (waiting.length === 0) this.#waiting.delete(leader);
    this.#writing.set(leader, entries);
    const writes = entries.map(({ ticket, letters, place }) => {
      invariant(place !== undefined, "an entry that waits for a leader has a place");
      const maxMessageBytes = this.#view.topic(place.topic)?.maxMessageBytes ?? place.maxMessageBytes;
      return { ...place, maxMessageBytes, ticket, letters };
    });
    out.push({ type: "write", leader, writes });
  }

  /** Takes the outcomes of a write, one at least; entries without one were not in the request and come first in the next. */
  written(now: number, chance: number, { leader, outcomes }: Written, out: DeadLetterEffect[]): void {
    const entries = this.#writing.get(leader);
    invariant(entries !== undefined, "a write ends once");
    invariant(outcomes.length > 0, "a write has an outcome");
    this.#writing.delete(leader);
    const told = new Map(outcomes.map(outcome => [outcome.ticket, outcome]));
    const left: Entry[] = [];
    for (const entry of entries) {
      const outcome = told.get(entry.ticket);
      if (outcome === undefined || this.#isPartial(entry, outcome)) left.push(entry);
      else if (outcome.errorCode === 0) this.#done(entry, undefined, out);
      else this.#failed(now, chance, { entry, errorCode: outcome.errorCode }, out);
    }
    if (left.length > 0) this.#waiting.set(leader, [...left, ...(this.#waiting.get(leader) ?? [])]);
    this.#write(leader, out);
  }

  /** True if some letters of the entry are written and others not yet; only the latter are left to it. */
  #isPartial(entry: Entry, { errorCode, lastOffset }: DeadLetterOutcome): boolean {
    if (errorCode !== 0) return false;
    entry.failures = 0;
    const { letters } = entry;
    if (lastOffset >= letters.lastOffset) return false;
    invariant(lastOffset >= letters.firstOffset, "a write makes progress");
    entry.letters = { ...letters, firstOffset: lastOffset + 1 };
    return true;
  }

  #failed(now: number, chance: number, { entry, errorCode }: Failure, out: DeadLetterEffect[]): void {
    const isFinal = !RETRIABLE.has(errorCode) || ++entry.failures >= ATTEMPTS;
    if (isFinal) return this.#done(entry, `The leader has refused the dead letters: ${textOf(errorCode)}`, out);
    this.#retries.push(now + BACKOFF.delayMs(entry.failures, chance), entry);
  }

  /** Time of the next attempt; Infinity: there is none. */
  nextDeadline(): number {
    return this.#retries.next();
  }

  /** Repeats what is due. */
  tick(now: number, chance: number, out: DeadLetterEffect[]): void {
    for (let entry = this.#retries.pop(now); entry !== undefined; entry = this.#retries.pop(now)) {
      this.#route(now, chance, entry, out);
    }
  }
}

interface NewEntry {
  readonly ticket: Ticket;
  readonly letters: DeadLetters;
}

/** Outcome of a creation of a topic. */
interface Creation {
  readonly topic: string;
  readonly errorCode: number;
}

/** Outcome of a request to a leader. */
interface Written {
  readonly leader: BrokerId;
  readonly outcomes: readonly DeadLetterOutcome[];
}

interface Failure {
  readonly entry: Entry;
  readonly errorCode: number;
}

function textOf(errorCode: number): string {
  return errorOf(errorCode).message ?? String(errorCode);
}

function creationFault(topic: string, errorCode: number): string {
  return `The topic ${topic} could not be created: ${textOf(errorCode)}`;
}
