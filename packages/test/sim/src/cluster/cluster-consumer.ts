import { Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import { SPECIAL } from "../stage/offsets.ts";
import type { RoutedClient } from "../stage/routed-client.ts";
import { Violation } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";
import type { ClusterPlace } from "./cluster-ledger.ts";
import type { Actor } from "../stage/stage.ts";
import type { ClusterStage } from "./cluster-stage.ts";

const { code: OUT_OF_RANGE } = Errors.OFFSET_OUT_OF_RANGE;
/** Errors after which a consumer fetches again. */
const RETRIABLE: ReadonlySet<number> = new Set(
  [
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.UNKNOWN_TOPIC_ID,
    Errors.KAFKA_STORAGE_ERROR,
    Errors.LEADER_NOT_AVAILABLE,
    Errors.OFFSET_NOT_AVAILABLE,
    Errors.FENCED_LEADER_EPOCH,
    Errors.UNKNOWN_LEADER_EPOCH,
  ].map(({ code }) => code),
);

interface Reading {
  position: number;
  losses: number;
  /** Follower to read from, as the leader has said. */
  preferred?: number | undefined;
}

/** Reads every partition from its leader, or from a replica in its rack (KIP-392), at times from the beginning again. */
export class ClusterConsumer implements Actor {
  readonly client: RoutedClient;
  readonly #stage: ClusterStage;
  readonly #rng: Prng;
  readonly #rackId: string;
  readonly #readings = new Map<string, Reading>();
  /** Number of answers with records that came from followers. */
  readFromFollowers = 0;

  constructor(stage: ClusterStage, client: RoutedClient, rng: Prng, rackId = "") {
    this.#rackId = rackId;
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    const { topics } = this.#stage;
    if (topics.length === 0) return;
    const topic = this.#rng.oneOf(topics);
    const place = { topic, partition: this.#rng.int(0, topic.partitions - 1) };
    if (this.#rng.chance(0.03)) this.#rewind(place);
    await this.#fetch(place, this.#rng.int(200, 4000), this.#rng.chance(0.3) ? 100 : 0);
  }

  #reading(place: ClusterPlace): Reading {
    const key = `${place.topic.id}/${place.partition}`;
    const losses = this.#stage.ledger.losses(place);
    const known = this.#readings.get(key);
    if (known?.losses === losses) return known;
    const reading = { position: 0, losses };
    this.#readings.set(key, reading);
    this.#stage.ledger.seek(place, this.client.name);
    return reading;
  }

  #rewind(place: ClusterPlace): void {
    this.#reading(place).position = 0;
    this.#stage.ledger.seek(place, this.client.name);
  }

  /** Fetches from the position; returns the high watermark, undefined without an answer. */
  async #fetch(place: ClusterPlace, maxBytes: number, maxWaitMs: number): Promise<number | undefined> {
    const { ledger } = this.#stage;
    const reading = this.#reading(place);
    const { position: fetchOffset } = reading;
    const { topic, partition } = place;
    // A follower may lack what the leader has, and would answer a request without an epoch (KIP-392).
    const currentLeaderEpoch = this.client.leaderEpoch(topic.id, partition);
    const partitions = [{ partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes: maxBytes }];
    const topics = [{ topicId: topic.id, partitions }];
    const body = { maxWaitMs, minBytes: 1, topics, rackId: this.#rackId };
    const { preferred } = reading;
    const answer =
      preferred === undefined
        ? await this.client.ask(CALLS.fetch, body)
        : await this.client.askBroker(preferred, CALLS.fetch, body);
    const found = answer?.responses[0]?.partitions[0];
    // Without an answer, or after an error, the leader chooses again.
    if (found?.errorCode !== 0 || this.#rng.chance(0.05)) reading.preferred = undefined;
    if (found === undefined || reading !== this.#reading(place) || reading.position !== fetchOffset) return undefined;
    const { errorCode } = found;
    if (RETRIABLE.has(errorCode)) return undefined;
    if (errorCode === OUT_OF_RANGE && (await this.#mayBeOutOfRange(place, reading, preferred))) return undefined;
    const where = `${topic.name}-${partition} at ${fetchOffset}`;
    if (errorCode === OUT_OF_RANGE) throw new Violation("a read record vanished", `${where} is out of range`);
    if (errorCode !== 0) throw new Violation("a good request was refused", `error ${errorCode} to a fetch of ${where}`);
    if (found.preferredReadReplica >= 0) {
      reading.preferred = found.preferredReadReplica;
      return undefined;
    }
    if (preferred !== undefined && (found.records ?? []).length > 0) this.readFromFollowers++;
    reading.position = ledger.fetched(place, this.client.name, fetchOffset, found.records ?? []);
    if (reading.position > fetchOffset) this.#stage.note(`read ${where} to ${reading.position}`);
    return Number(found.highWatermark);
  }

  /** True if there may be nothing at the position: it was deleted, it may be lost, or a follower does not have it yet. */
  async #mayBeOutOfRange(place: ClusterPlace, reading: Reading, from: number | undefined): Promise<boolean> {
    const { ledger } = this.#stage;
    if (ledger.isInDoubt(place)) {
      reading.position = 0;
      return true;
    }
    const start = ledger.trimmedTo(place);
    // Records that were lost may have been deleted before, and the deletion may be lost with them.
    const mayBeShorter = start > 0 && reading.losses > 0;
    if (reading.position >= start && !mayBeShorter) return from !== undefined;
    const position = mayBeShorter ? await this.#earliest(place) : start;
    if (position === undefined || reading !== this.#reading(place)) return true;
    if (position > start) return false;
    reading.position = position;
    ledger.seek(place, this.client.name);
    return true;
  }

  /** Start of the log, as its leader says; undefined without an answer. */
  async #earliest({ topic, partition }: ClusterPlace): Promise<number | undefined> {
    const topics = [{ name: topic.name, partitions: [{ partitionIndex: partition, timestamp: SPECIAL.earliest }] }];
    const answer = await this.client.ask(CALLS.listOffsets, { replicaId: -1, isolationLevel: 0, topics });
    const found = answer?.topics[0]?.partitions[0];
    return found?.errorCode === 0 ? Number(found.offset) : undefined;
  }

  /** Reads a partition from its beginning to its high watermark, and has the ledger check it; false if that failed. */
  async readThrough(place: ClusterPlace): Promise<boolean> {
    this.#rewind(place);
    for (;;) {
      const before = this.#reading(place).position;
      const end = await this.#fetch(place, 100_000, 0);
      const { position } = this.#reading(place);
      if (end === undefined && position > before) continue;
      if (end === undefined) return false;
      if (position >= end) {
        this.#stage.ledger.readThrough(place, end);
        return true;
      }
      if (position === before) return false;
    }
  }
}
