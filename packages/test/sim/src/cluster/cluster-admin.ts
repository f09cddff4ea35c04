import { Errors } from "@samsa/protocol";
import { ZERO_UUID } from "@samsa/base";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { TopicEntry, TopicLedger } from "../ledgers/topic-ledger.ts";
import type { Prng } from "../world/prng.ts";
import type { ClusterTopic } from "./cluster-ledger.ts";
import { type Actor, MOVING, OUT_OF_RANGE } from "../stage/stage.ts";
import { Violation } from "../ledgers/rules.ts";
import type { ClusterStage } from "./cluster-stage.ts";

const { code: NOT_CONTROLLER } = Errors.NOT_CONTROLLER;

/** Creates and deletes topics. */
export class ClusterAdmin implements Actor {
  readonly client: Client;
  readonly topics = new TopicLedger();
  readonly #stage: ClusterStage;
  readonly #rng: Prng;
  readonly #most: number;
  /** Names of topics of which a deletion was not answered: a broker that was cut off may ask for it later. */
  readonly #spoiled = new Set<string>();

  constructor(stage: ClusterStage, client: Client, rng: Prng, { brokers }: { readonly brokers: number }) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#most = Math.min(3, brokers);
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    if (!rng.chance(0.3)) return;
    if (rng.chance(0.15)) return this.#trim();
    const name = `temp-${rng.int(0, 2)}`;
    if (this.#spoiled.has(name)) return;
    const entry = this.topics.entries.findLast(known => known.name === name);
    if (entry === undefined || entry.state === "gone") {
      const replicas = rng.int(1, this.#most);
      const wanted = { name, partitions: rng.int(1, 2), replicas, minIsr: Math.min(2, replicas), flushed: false };
      const created = await this.create(wanted);
      if (created !== undefined) this.#stage.topics.push(created);
    } else if (entry.state !== "maybe created" && rng.chance(0.6)) await this.#delete(entry);
  }

  /** Creates a topic; undefined if it is not sure that it exists. */
  async create(wanted: Omit<ClusterTopic, "id">): Promise<ClusterTopic | undefined> {
    const { name, partitions, replicas, minIsr, flushed } = wanted;
    const configs = [{ name: "min.insync.replicas", value: String(minIsr) }];
    if (wanted.unclean === true) configs.push({ name: "unclean.leader.election.enable", value: "true" });
    if (flushed) configs.push({ name: "flush.messages", value: "1" });
    if (this.#rng.chance(0.3)) configs.push({ name: "internal.segment.bytes", value: "4000" });
    const entry = this.topics.add(new TopicEntry(name, partitions, new Map()));
    const topic = { name, numPartitions: partitions, replicationFactor: replicas, assignments: [], configs };
    const answer = await this.client.ask(CALLS.createTopics, { topics: [topic], timeoutMs: 300 });
    const result = answer?.topics[0];
    // TOPIC_ALREADY_EXISTS does not tell: a controller that is cut off may not know of a deletion, and a broker repeats a
    // request whose answer was lost. With NOT_CONTROLLER, the broker has not asked for the topic.
    if (result?.errorCode === NOT_CONTROLLER) entry.state = "gone";
    if (result?.errorCode !== 0) return undefined;
    this.#stage.note(`created ${name}`);
    entry.id = result.topicId;
    entry.state = "there";
    return { ...wanted, id: result.topicId };
  }

  async #delete(entry: TopicEntry): Promise<void> {
    entry.state = "maybe deleted";
    const { topics } = this.#stage;
    const at = topics.findIndex(({ id }) => id === entry.id);
    if (at >= 0) topics.splice(at, 1);
    const answer = await this.client.ask(CALLS.deleteTopics, { topicNames: [entry.name], timeoutMs: 300 });
    if (answer === undefined) this.#spoiled.add(entry.name);
    const code = answer?.responses[0]?.errorCode;
    // UNKNOWN_TOPIC_OR_PARTITION does not tell: a controller that is cut off may not know of the creation yet, and a
    // broker repeats a request whose answer was lost.
    if (code !== 0) return;
    this.#stage.note(`deleted ${entry.name}`);
    entry.state = "gone";
  }

  /** Deletes records from the beginning of a partition. */
  async #trim(): Promise<void> {
    const topic = this.#rng.oneOf(this.#stage.topics);
    const place = { topic, partition: this.#rng.int(0, topic.partitions - 1) };
    const { ledger } = this.#stage;
    if (ledger.isInDoubt(place)) return;
    const offset = this.#rng.int(0, ledger.endOf(place));
    ledger.trimmed(place, offset);
    const topics = [{ name: topic.name, partitions: [{ partitionIndex: place.partition, offset }] }];
    const answer = await this.client.ask(CALLS.deleteRecords, { topics, timeoutMs: 300 });
    const code = answer?.topics[0]?.partitions[0]?.errorCode ?? 0;
    if (code === 0 || code === OUT_OF_RANGE || MOVING.has(code)) return;
    throw new Violation("a good request was refused", `error ${code} to a deletion in ${topic.name} to ${offset}`);
  }

  /** Deletes the first record of each partition, which every replica must do; false without the answers. */
  async trimAll(): Promise<boolean> {
    for (const topic of this.#stage.topics) {
      for (let partitionIndex = 0; partitionIndex < topic.partitions; partitionIndex++) {
        const place = { topic, partition: partitionIndex };
        const offset = Math.min(1, this.#stage.ledger.endOf(place));
        this.#stage.ledger.trimmed(place, offset);
        const topics = [{ name: topic.name, partitions: [{ partitionIndex, offset }] }];
        const answer = await this.client.ask(CALLS.deleteRecords, { topics, timeoutMs: 300 });
        if (answer?.topics[0]?.partitions[0]?.errorCode !== 0) return false;
      }
    }
    return true;
  }

  /** Compares the topics of the cluster with those that were created and deleted; false without an answer. */
  async audit(): Promise<boolean> {
    const answer = await this.client.ask(CALLS.metadata, { topics: null, allowAutoTopicCreation: false });
    if (answer === undefined) return false;
    this.topics.audited(
      new Map(
        answer.topics.map(({ name, topicId, partitions }) => [
          name ?? "",
          { id: topicId ?? ZERO_UUID, partitions: partitions.length },
        ]),
      ),
    );
    return true;
  }
}
