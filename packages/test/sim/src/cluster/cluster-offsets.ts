import { CALLS } from "../stage/calls.ts";
import { Violation } from "../ledgers/rules.ts";
import type { Client } from "../stage/client.ts";
import type { Prng } from "../world/prng.ts";
import type { Actor } from "../stage/stage.ts";
import type { ClusterStage } from "./cluster-stage.ts";

/** Commits rising offsets of a group of its own, and reads them back: none may be lost or made up. */
export class ClusterOffsets implements Actor {
  readonly client: Client;
  readonly #stage: ClusterStage;
  readonly #rng: Prng;
  #offset = 0;

  constructor(stage: ClusterStage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    if (this.#rng.chance(0.5)) await this.#look();
    else await this.#commit();
  }

  async #commit(): Promise<void> {
    const [topic] = this.#stage.topics;
    if (topic === undefined) return;
    const { groups } = this.#stage;
    const committedOffset = ++this.#offset;
    const attempt = groups.attempted(this.client.name, 0, committedOffset);
    const partitions = [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, committedMetadata: "" }];
    const nobody = { groupId: this.client.name, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
    const answer = await this.client.ask(CALLS.offsetCommit, { ...nobody, topics: [{ name: topic.name, partitions }] });
    const code = answer?.topics[0]?.partitions[0]?.errorCode;
    groups.ended(attempt, code === 0 ? "done" : "unknown");
    if (code === 0) this.#stage.note(`committed ${this.client.name} ${committedOffset}`);
  }

  /**
   * Reads the committed offset while faults go on. A coordinator that was cut off answers with what it knows until it
   * hears of its successor, as in Kafka.
   */
  async #look(): Promise<void> {
    const found = await this.#read();
    if (found === undefined || (found >= -1 && found <= this.#offset)) return;
    throw new Violation(
      "a committed offset is lost",
      `${this.client.name} is ${found}, and ${this.#offset} was the last`,
    );
  }

  /** Reads the committed offset after all faults, and has the ledger check it; false without an answer. */
  async readBack(): Promise<boolean> {
    const found = await this.#read();
    if (found === undefined) return false;
    this.#stage.groups.audited(this.client.name, 0, found, "stop");
    return true;
  }

  async #read(): Promise<number | undefined> {
    const [topic] = this.#stage.topics;
    if (topic === undefined) return undefined;
    const topics = [{ name: topic.name, partitionIndexes: [0] }];
    const answer = await this.client.ask(CALLS.offsetFetch, { groupId: this.client.name, topics, requireStable: true });
    const found = answer?.topics[0]?.partitions[0];
    return answer?.errorCode === 0 && found?.errorCode === 0 ? Number(found.committedOffset) : undefined;
  }
}
