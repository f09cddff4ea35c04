import { type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { bytesOf, judgeSizes, Reader, type Reading } from "./consumer.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import type { Actor, Stage } from "../stage/stage.ts";

/** Partition in the fetch session. */
interface Followed extends Reading {
  /** Position and max bytes last sent to the session. */
  told: string;
  /** Number of consecutive answers without records of this partition although it had some. */
  passedOver: number;
}

const { code: NO_SESSION } = Errors.FETCH_SESSION_ID_NOT_FOUND;
const { code: OTHER_TOPIC } = Errors.INCONSISTENT_TOPIC_ID;

/** Reads some partitions in a fetch session (KIP-227), with topics named by id or by name. */
export class SessionConsumer implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #reader: Reader;
  readonly #byName: boolean;
  readonly #followed = new Map<string, Followed>();
  /** Partitions for the `forgotten_topics_data` of the next request. */
  #forgotten: Followed[] = [];
  /** Partitions with records in the last answer. */
  #filled: ReadonlySet<string> = new Set();
  #id = 0;
  #epoch = 0;
  #life = 0;

  constructor(stage: Stage, client: Client, rng: Prng, options: { readonly byName: boolean }) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#reader = new Reader(stage, client);
    this.#byName = options.byName;
  }

  #key(topicId: Uuid, name: string, partition: number): string {
    return `${this.#byName ? name : topicId}/${partition}`;
  }

  async step(): Promise<void> {
    this.#choose();
    if (this.#rng.chance(0.04)) this.#reset();
    const rng = this.#rng;
    const isNew = this.#epoch === 0;
    if (isNew && this.#followed.size === 0) return;
    for (const followed of this.#followed.values()) {
      followed.since = this.#stage.logs.endOf(followed);
      followed.startedAt = this.#stage.logs.startOf(followed);
    }
    const maxBytes = rng.chance(0.5) ? rng.int(200, 900) : rng.int(2000, 20_000);
    const { life } = this.#stage;
    const changed = [...this.#followed.values()].filter(followed => isNew || followed.told !== tellOf(followed));
    for (const followed of changed) followed.told = tellOf(followed);
    const body = {
      maxWaitMs: rng.int(0, 150),
      minBytes: rng.int(0, 1),
      maxBytes,
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: changed.map(({ topic, topicId, partition, position, maxBytes: partitionMaxBytes }) => ({
        ...this.#named(topic.name, topicId),
        partitions: [{ partition, fetchOffset: position, partitionMaxBytes }],
      })),
      forgottenTopicsData: this.#forgotten.map(({ topic, topicId, partition }) => ({
        ...this.#named(topic.name, topicId),
        partitions: [partition],
      })),
    };
    this.#forgotten = [];
    const answer = await this.client.ask(this.#byName ? CALLS.fetchByName : CALLS.fetch, body);
    if (answer === undefined || answer.errorCode !== 0) return this.#refused(answer?.errorCode, isNew);
    this.#life = life;
    this.#id = answer.sessionId;
    if (this.#id === 0) return this.#reset();
    this.#epoch++;
    await this.#took(answer.responses, maxBytes);
  }

  #named(name: string, topicId: Uuid): { topic: string; topicId: Uuid } {
    return this.#byName ? { topic: name, topicId: ZERO_UUID } : { topic: "", topicId };
  }

  /** Adds and removes partitions at random, and removes those of deleted topics. */
  #choose(): void {
    const rng = this.#rng;
    for (const followed of this.#followed.values()) {
      const isGone = followed.topic.state !== "there";
      if (isGone || rng.chance(0.03)) this.#leave(followed);
      else if (rng.chance(0.1)) followed.maxBytes = rng.int(100, 4000);
    }
    for (const topic of this.#stage.topics.usable()) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const key = this.#key(topic.id, topic.name, partition);
        if (this.#followed.has(key) || !rng.chance(0.3)) continue;
        if (this.#forgotten.some(old => this.#key(old.topicId, old.topic.name, old.partition) === key)) continue;
        const place = { topic, topicId: topic.id, partition };
        const position = this.#stage.logs.startOf(place);
        this.#reader.seek(place);
        const maxBytes = rng.int(100, 4000);
        const reading = { ...place, position, maxBytes, since: 0, startedAt: position };
        this.#followed.set(key, { ...reading, told: "", passedOver: 0 });
      }
    }
  }

  #leave(followed: Followed): void {
    this.#followed.delete(this.#key(followed.topicId, followed.topic.name, followed.partition));
    if (followed.told !== "" && this.#epoch > 0) this.#forgotten.push(followed);
  }

  /** Makes the next request create a new session. */
  #reset(): void {
    this.#epoch = 0;
    this.#id = 0;
    this.#forgotten = [];
    this.#filled = new Set();
    for (const followed of this.#followed.values()) {
      followed.told = "";
      followed.passedOver = 0;
    }
  }

  #refused(code: number | undefined, isNew: boolean): void {
    if (code !== undefined && (isNew || code !== NO_SESSION || this.#life === this.#stage.life)) {
      throw new Violation("a fetch session was forgotten", `error ${code} in epoch ${this.#epoch}`);
    }
    this.#reset();
  }

  async #took(
    responses: readonly {
      readonly topic: string;
      readonly topicId: Uuid;
      readonly partitions: readonly Parameters<Reader["take"]>[1][];
    }[],
    maxBytes: number,
  ): Promise<void> {
    const answers = responses.flatMap(({ topic, topicId, partitions }) =>
      partitions.map(answer => ({ answer, key: this.#key(topicId, topic, answer.partitionIndex) })),
    );
    judgeSizes(
      answers.map(({ answer, key }) => ({ answer, maxBytes: this.#followed.get(key)?.maxBytes ?? Infinity })),
      maxBytes,
    );
    const served = new Set<string>();
    const filled = new Set(answers.filter(({ answer }) => bytesOf(answer) > 0).map(({ key }) => key));
    for (const { answer, key } of answers) {
      // The rest of the answer is of a life that has ended.
      if (this.#life !== this.#stage.life) return;
      const followed = this.#followed.get(key);
      if (followed === undefined) {
        const detail = `${key} is not in the session (any more)`;
        throw new Violation("an answer to another question", detail);
      }
      const before = followed.position;
      // The name may belong to another topic by now, one in creation or deletion.
      if (this.#byName && followed.topic.state !== "there") this.#leave(followed);
      else if (this.#byName && answer.errorCode === OTHER_TOPIC) this.#leave(followed);
      else if (!(await this.#reader.take(followed, answer))) this.#leave(followed);
      if (answer.errorCode !== 0 || followed.position !== before) served.add(key);
    }
    const [first] = filled;
    // An incremental fetch moves served partitions to the back: they come first again only if no other has records.
    const isAgain = first !== undefined && this.#filled.has(first);
    this.#filled = this.#epoch === 1 ? new Set() : filled;
    for (const [key, followed] of this.#followed) this.#judgeFairness(key, followed, { served, isAgain });
  }

  #judgeFairness(key: string, followed: Followed, answer: { served: ReadonlySet<string>; isAgain: boolean }): void {
    const isBehind = followed.since > followed.position && !this.#stage.logs.isRotten(followed);
    followed.passedOver = answer.served.has(key) || !isBehind || followed.told === "" ? 0 : followed.passedOver + 1;
    if (followed.passedOver > this.#followed.size + 2 || (answer.isAgain && followed.passedOver > 1)) {
      const detail = `${key} stays at ${followed.position}, below ${followed.since}`;
      throw new Violation("a fetch passed a partition over", detail);
    }
  }
}

function tellOf({ position, maxBytes }: Reading): string {
  return `${position}/${maxBytes}`;
}
