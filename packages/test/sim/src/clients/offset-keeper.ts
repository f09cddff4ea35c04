import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { Violation } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";
import { type Actor, somewhere, type Stage } from "../stage/stage.ts";
import type { TopicEntry } from "../ledgers/topic-ledger.ts";

const GROUP = "kept";

/** Commits offsets for short-lived topics: none may outlive its topic or apply to a later topic of the same name. */
export class OffsetKeeper implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  /** Topic of each offset that was committed before a deletion; offsets are unique. */
  readonly #topicOf = new Map<number, TopicEntry>();
  #last = 1000;

  constructor(stage: Stage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    if (this.#rng.chance(0.5)) await this.#readBack();
    else await this.#commit();
  }

  async #commit(): Promise<void> {
    const place = somewhere(this.#rng, this.#stage);
    if (place === undefined) return;
    const { topic, partition } = place;
    const offset = ++this.#last;
    const partitions = [
      { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: "" },
    ];
    const nobody = { groupId: GROUP, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
    const answer = await this.client.ask(CALLS.offsetCommit, { ...nobody, topics: [{ name: topic.name, partitions }] });
    // A request that the network holds back may arrive at a later topic of the name.
    if (answer !== undefined && topic.state === "there") this.#topicOf.set(offset, topic);
  }

  async #readBack(): Promise<void> {
    const { entries } = this.#stage.topics;
    const gone = new Set(entries.filter(({ state }) => state === "gone"));
    // Stable offsets are the latest ones: others may be shown until the tombstones of deleted topics are committed.
    const answer = await this.client.ask(CALLS.offsetFetch, { groupId: GROUP, topics: null, requireStable: true });
    if (answer === undefined || answer.errorCode !== 0) return;
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, committedOffset } of partitions) {
        const topic = this.#topicOf.get(Number(committedOffset));
        if (topic === undefined || !gone.has(topic)) continue;
        const detail = `${name}-${partitionIndex} has ${committedOffset}, which was committed before it was deleted`;
        throw new Violation("an offset outlived its topic", detail);
      }
    }
  }
}
