import { type Env, guard, type PartitionIndex, type Timer, type Uuid } from "@samsa/base";
import type { IsrAnswer, IsrProposal } from "@samsa/replica";
import type { Turn } from "../turn/turn.ts";
import type { Partition } from "./partition.ts";

/** Change of the ISR of a partition, for the controller. */
export interface IsrChange {
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
  readonly proposal: IsrProposal;
}

/**
 * Sends changes to the controller (AlterPartition). Resolves with an answer for each, in order; rejects, or answers
 * nothing for one, if the controller cannot be reached or refuses the request as a whole.
 */
export type ProposeIsr = (changes: readonly IsrChange[]) => Promise<readonly (IsrAnswer | undefined)[]>;

/** Time after which a proposal without an answer is sent again, in ms (`DefaultAlterPartitionManager`). */
const RETRY_MS = 50;

/** Proposals of the leaders of this broker: those of a turn are one request, and one request is under way at a time. */
export class IsrProposals {
  readonly #env: Env;
  readonly #turn: Turn;
  readonly #propose: ProposeIsr;
  readonly #waiting = new Map<Partition, IsrProposal>();
  /** Changes that the controller has taken, and those that it has refused or not answered. */
  readonly counts = { expansions: 0, shrinks: 0, failures: 0 };
  #isSending = false;
  #retry: Timer | undefined;
  #isClosed = false;

  constructor(env: Env, turn: Turn, propose: ProposeIsr) {
    this.#env = env;
    this.#turn = turn;
    this.#propose = propose;
  }

  /** Number of partitions with a proposal that is not sent. */
  get size(): number {
    return this.#waiting.size;
  }

  propose(partition: Partition, proposal: IsrProposal): void {
    if (this.#isClosed) return;
    this.#waiting.set(partition, proposal);
    this.#soon();
  }

  #soon(): void {
    if (this.#isSending || this.#retry !== undefined) return;
    this.#isSending = true;
    this.#turn.add("acknowledge", () => {
      this.#send().catch((error: unknown) => this.#env.logger.error("changes of ISRs were not sent", { error }));
    });
  }

  async #send(): Promise<void> {
    // The metadata may have overtaken a proposal that waited.
    const sent = [...this.#waiting].filter(([{ leader }, proposal]) => leader?.isPending(proposal) === true);
    this.#waiting.clear();
    let isFailed = false;
    try {
      const changes = sent.map(([{ topicId, index: partition }, proposal]) => ({ topicId, partition, proposal }));
      const answers = sent.length === 0 ? [] : await this.#propose(changes);
      for (const [i, [partition, proposal]] of sent.entries()) {
        const answer = answers[i];
        guard(
          () => {
            this.#count(proposal, answer);
            if (answer !== undefined && !partition.isrAnswered(proposal, answer)) return;
            isFailed = true;
            this.#again(partition, proposal);
          },
          error => this.#env.logger.error("the answer to a change of an ISR failed", { error }),
        );
      }
    } catch (error) {
      isFailed = true;
      this.#env.logger.warn("the controller did not take changes of the ISR", { error });
      for (const [partition, proposal] of sent) {
        this.#count(proposal, undefined);
        this.#again(partition, proposal);
      }
    }
    this.#isSending = false;
    if (this.#isClosed || this.#waiting.size === 0) return;
    if (!isFailed) return this.#soon();
    this.#retry = this.#env.timers.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#soon();
    });
  }

  #count({ joining }: IsrProposal, answer: IsrAnswer | undefined): void {
    if (answer?.errorCode !== 0) this.counts.failures++;
    else if (joining === undefined) this.counts.shrinks++;
    else this.counts.expansions++;
  }

  /** Keeps a proposal, unless the partition has made another one since. */
  #again(partition: Partition, proposal: IsrProposal): void {
    if (!this.#waiting.has(partition)) this.#waiting.set(partition, proposal);
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#waiting.clear();
  }
}
