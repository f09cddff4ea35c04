import { Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { offsetFor, SPECIAL, startOf } from "../stage/offsets.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, EXCUSED, OUT_OF_RANGE, somewhere, type Stage, type TopicPlace } from "../stage/stage.ts";

/** Calls ListOffsets and OffsetForLeaderEpoch, and deletes records. */
export class Surveyor implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #deletes: boolean;

  constructor(stage: Stage, client: Client, rng: Prng, options: { readonly deletes: boolean }) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#deletes = options.deletes;
  }

  async step(): Promise<void> {
    const place = somewhere(this.#rng, this.#stage);
    if (place === undefined) return;
    const draw = this.#rng.next();
    if (draw < 0.15) await this.#end(place);
    else if (draw < 0.35) await this.#epoch(place);
    else if (draw < 0.7) await this.#atTime(place);
    else if (draw < 0.8 || !this.#deletes) await this.#youngest(place);
    else if (!place.topic.name.startsWith("temp")) await this.#delete(place);
  }

  async #end(place: TopicPlace): Promise<void> {
    const { logs } = this.#stage;
    const since = logs.endOf(place);
    const found = await offsetFor(this.client, place, SPECIAL.latest);
    if (found === undefined || found.offset >= since || logs.isRotten(place)) return;
    throw new Violation("the end went back", `${place.topic.name}: ${found.offset} after ${since}`);
  }

  /** Checks the end offset of a leader epoch: above its records and at or below those of later epochs (KIP-101). */
  async #epoch(place: TopicPlace): Promise<void> {
    const { logs } = this.#stage;
    const { topic, partition } = place;
    const known = [...logs.epochs(place, logs.startOf(place))];
    if (known.length === 0) return;
    const { epoch } = this.#rng.oneOf(known);
    const partitions = [{ partition, leaderEpoch: epoch }];
    const answer = await this.client.ask(CALLS.offsetForLeaderEpoch, { topics: [{ topic: topic.name, partitions }] });
    const found = answer?.topics[0]?.partitions[0];
    const start = found === undefined ? undefined : await startOf(this.#stage, this.client, place);
    if (found === undefined || found.errorCode !== 0 || start === undefined || logs.isRotten(place)) return;
    const { endOffset } = found;
    const from = Math.max(start, logs.deletedTo(place));
    for (const { offset, epoch: its } of known) {
      if (offset < from || (its <= epoch ? endOffset > offset : endOffset <= offset)) continue;
      const detail = `${topic.name}-${partition}: ${epoch} ends at ${endOffset}, but ${offset} is of ${its}`;
      throw new Violation("an epoch's end is wrong", detail);
    }
  }

  /** Looks up an offset by timestamp and compares it with the records that have been read. */
  async #atTime(place: TopicPlace): Promise<void> {
    const { logs } = this.#stage;
    const known = [...logs.known(place, logs.startOf(place))];
    const { topic } = place;
    if (known.length === 0 || logs.isRotten(place)) return;
    const time = this.#rng.oneOf(known).time + this.#rng.int(-1, 1);
    const found = await offsetFor(this.client, place, time);
    // Records may have been deleted meanwhile: only those from the log start offset on can be missed.
    const start = found === undefined ? undefined : await startOf(this.#stage, this.client, place);
    if (found === undefined || start === undefined || logs.isRotten(place)) return;
    const missed = known.find(
      record => record.offset >= start && record.time >= time && (found.offset < 0 || record.offset < found.offset),
    );
    const wrong = (detail: string): Violation =>
      new Violation("a time was looked up wrongly", `${topic.name}-${place.partition}, ${time}: ${detail}`);
    if (missed !== undefined) throw wrong(`${missed.offset} has ${missed.time}, but ${found.offset} was found`);
    if (found.offset >= 0 && found.timestamp < time) throw wrong(`${found.offset} has ${found.timestamp}`);
    this.#judge(place, found, wrong);
  }

  async #youngest(place: TopicPlace): Promise<void> {
    const { logs } = this.#stage;
    const known = [...logs.known(place, logs.startOf(place))];
    const found = await offsetFor(this.client, place, SPECIAL.youngest);
    const start = found === undefined ? undefined : await startOf(this.#stage, this.client, place);
    if (found === undefined || start === undefined || logs.isRotten(place)) return;
    const wrong = (detail: string): Violation =>
      new Violation("a time was looked up wrongly", `${place.topic.name}-${place.partition}, youngest: ${detail}`);
    const younger = known.find(record => record.offset >= start && record.time > found.timestamp);
    if (younger !== undefined) throw wrong(`${younger.offset} has ${younger.time}, not ${found.timestamp}`);
    this.#judge(place, found, wrong);
  }

  #judge(
    place: TopicPlace,
    found: { readonly offset: number; readonly timestamp: number },
    wrong: (detail: string) => Violation,
  ): void {
    for (const { offset, time } of this.#stage.logs.known(place, found.offset)) {
      if (offset === found.offset && time !== found.timestamp) {
        throw wrong(`${offset} has ${time}, not ${found.timestamp}`);
      }
    }
  }

  /** Deletes records, of permanent topics only: a late request could hit a new topic of the same name. */
  async #delete(place: TopicPlace): Promise<void> {
    const { topic, partition } = place;
    const { logs } = this.#stage;
    const start = logs.startOf(place);
    const wanted = this.#rng.chance(0.1) ? -1 : this.#rng.int(start, Math.max(start, logs.endOf(place)));
    logs.deleting(place, wanted);
    const topics = [{ name: topic.name, partitions: [{ partitionIndex: partition, offset: wanted }] }];
    const answer = await this.client.ask(CALLS.deleteRecords, { topics, timeoutMs: 300 });
    const result = answer?.topics[0]?.partitions[0];
    if (result === undefined || topic.state !== "there") return;
    const { errorCode } = result;
    const lowWatermark = Number(result.lowWatermark);
    if (errorCode === 0) {
      if (lowWatermark < wanted && !logs.isRotten(place)) {
        throw new Violation("the start went back", `${topic.name}: ${lowWatermark} after a deletion to ${wanted}`);
      }
      this.#stage.note(`deleted ${topic.name}-${partition} to ${lowWatermark}`);
      logs.started(place, lowWatermark, start);
    } else if (!EXCUSED.has(errorCode) && errorCode !== Errors.NOT_LEADER_OR_FOLLOWER.code) {
      // A power cut or damage may have moved the end of the log back.
      const excused = errorCode === OUT_OF_RANGE && (this.#stage.powerCuts > 0 || logs.isRotten(place));
      if (!excused) throw new Violation("a good request was refused", `error ${errorCode} to a deletion to ${wanted}`);
    }
  }
}
