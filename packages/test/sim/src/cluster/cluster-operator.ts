import { Errors } from "@samsa/protocol";
import type { MetadataImage } from "@samsa/metadata";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { Violation } from "../ledgers/rules.ts";
import { Wishes } from "../ledgers/wishes.ts";
import type { Prng } from "../world/prng.ts";
import type { Actor } from "../stage/stage.ts";

const PREFERRED = 0;
const UNCLEAN = 1;
/** Errors of a reassignment that say nothing about the request. */
const EXCUSED_HERE: ReadonlySet<number> = new Set(
  [
    Errors.NONE,
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.NO_REASSIGNMENT_IN_PROGRESS,
    Errors.NOT_CONTROLLER,
    Errors.REQUEST_TIMED_OUT,
  ].map(({ code }) => code),
);

/** Topic whose partitions the operator may move: it is never deleted. */
export interface MovedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
}

/** Options of a `ClusterOperator`. */
export interface OperatorOptions {
  readonly brokers: readonly number[];
  readonly topics: readonly MovedTopic[];
  /** Topic with `unclean.leader.election.enable`. */
  readonly unclean: string;
}

/** Moves partitions to other replicas and cancels that, and elects leaders, while clients use them. */
export class ClusterOperator implements Actor {
  readonly client: Client;
  readonly #rng: Prng;
  readonly #options: OperatorOptions;
  readonly #wishes = new Wishes();

  constructor(client: Client, rng: Prng, options: OperatorOptions) {
    this.client = client;
    this.#rng = rng;
    this.#options = options;
  }

  /** Number of reassignments that the cluster has accepted. */
  get accepted(): number {
    return this.#wishes.confirmations;
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    if (!rng.chance(0.2)) return;
    const topic = rng.oneOf(this.#options.topics);
    const partition = rng.int(0, topic.partitions - 1);
    const draw = rng.next();
    if (draw < 0.5) await this.#reassign(topic, partition);
    else if (draw < 0.65) await this.#cancel(topic, partition);
    else if (draw < 0.85) await this.#elect(PREFERRED, topic.name, partition);
    else await this.#elect(UNCLEAN, this.#options.unclean, 0);
  }

  async #reassign({ name, replicas }: MovedTopic, partition: number): Promise<void> {
    const left = [...this.#options.brokers];
    const chosen = Array.from({ length: replicas }, () => {
      const id = this.#rng.oneOf(left);
      left.splice(left.indexOf(id), 1);
      return id;
    });
    const key = `${name}-${partition}`;
    this.#wishes.attempted(key, chosen.join(), undefined);
    if ((await this.#alter(name, partition, chosen)) === 0) this.#wishes.confirmed(key, chosen.join());
  }

  async #cancel({ name }: MovedTopic, partition: number): Promise<void> {
    const key = `${name}-${partition}`;
    // The replicas before the move are not known for sure, and the move may be over already.
    this.#wishes.attempted(key, ANY, ANY);
    await this.#alter(name, partition, null);
  }

  async #alter(name: string, partitionIndex: number, replicas: number[] | null): Promise<number | undefined> {
    const topics = [{ name, partitions: [{ partitionIndex, replicas }] }];
    const answer = await this.client.ask(CALLS.alterReassignments, { timeoutMs: 300, topics });
    if (answer === undefined) return undefined;
    const code = answer.responses[0]?.partitions[0]?.errorCode ?? answer.errorCode;
    if (EXCUSED_HERE.has(code)) return code;
    // A cancel is refused if no replica of before the move is in sync (`cancelPartitionReassignment`).
    if (replicas === null && code === Errors.INVALID_REPLICA_ASSIGNMENT.code) return code;
    throw new Violation("a good request was refused", `error ${code} to a move of ${name} to ${replicas?.join()}`);
  }

  /** Asks for an election. The result is not tracked: it may not be needed, and no replica may be able to lead. */
  async #elect(electionType: number, topic: string, partition: number): Promise<void> {
    const topicPartitions = this.#rng.chance(0.2) ? null : [{ topic, partitions: [partition] }];
    if (topicPartitions === null && electionType === UNCLEAN) return;
    await this.client.ask(CALLS.electLeaders, { electionType, topicPartitions, timeoutMs: 300 });
  }

  /** First move that has not ended, or that did not end as it was asked for. */
  unfinished(image: MetadataImage): string | undefined {
    for (const topic of image.topics.values()) {
      for (const [index, { replicas, addingReplicas, removingReplicas }] of topic.partitions) {
        const label = `${topic.name}-${index}`;
        if (addingReplicas.length + removingReplicas.length > 0) return `${label} is being moved`;
        const possible = this.#wishes.possible(label);
        if (possible === undefined || possible.includes(ANY) || possible.includes(replicas.join())) continue;
        return `${label} is on ${replicas.join()}, not on ${possible.join(" or ")}`;
      }
    }
    return undefined;
  }
}

const ANY = "any";
