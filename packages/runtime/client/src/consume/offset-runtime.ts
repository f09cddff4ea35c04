import { Alarm } from "@samsa/base";
import {
  KafkaError,
  type MemberIdentity,
  type Moment,
  OffsetCommits,
  type OffsetEffect,
  OffsetFetches,
  type OffsetSettings,
  type PartitionOffset,
  type TopicPartition,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { patiently, type Patience } from "../cluster/deadline.ts";

type Commits = Pick<OffsetCommits, "answered" | "failed">;
type Fetches = Pick<OffsetFetches, "answered" | "failed">;
type Call = Extract<OffsetEffect, { type: "call" }>;

/** Commits and fetches offsets of a group: carries out the effects of `OffsetCommits` and `OffsetFetches`. */
export class OffsetRuntime {
  readonly #client: ClusterClient;
  readonly #groupId: string;
  readonly #commits: OffsetCommits;
  readonly #fetches: OffsetFetches;
  /** Called when the coordinator does not know the member. */
  readonly #suspect: () => void;
  readonly #committing = new Map<number, (error: KafkaError | undefined) => void>();
  readonly #fetching = new Map<number, (offsets: readonly PartitionOffset[], error: KafkaError | undefined) => void>();
  readonly #alarm: Alarm;
  #tokens = 0;
  #isClosed = false;

  constructor(client: ClusterClient, settings: OffsetSettings, suspect: () => void) {
    this.#client = client;
    this.#groupId = settings.groupId;
    this.#commits = new OffsetCommits(settings, client.metadata);
    this.#fetches = new OffsetFetches(settings, client.metadata);
    this.#suspect = suspect;
    this.#alarm = new Alarm(client.env, () => {
      const moment = client.moment();
      this.#carryOut([...this.#commits.tick(moment), ...this.#fetches.tick(moment)]);
    });
  }

  /** Names the member in requests from now on. */
  identify(identity: MemberIdentity | null): void {
    this.#fetches.identify(identity);
    this.#carryOut(this.#commits.identify(this.#client.moment(), identity));
  }

  /** Commits offsets. Rejects with a `KafkaError`; after ABORTED they may have been committed. */
  commit(offsets: readonly PartitionOffset[], { deadline, signal }: Patience): Promise<void> {
    const token = ++this.#tokens;
    return this.#until<void>(signal, (resolve, reject) => {
      this.#committing.set(token, error => (error === undefined ? resolve() : reject(error)));
      this.#carryOut(this.#commits.commit(this.#client.moment(), token, offsets, deadline));
      return () => void this.#committing.delete(token);
    });
  }

  /** Offsets that the group has committed. Partitions without one are left out. Rejects with a `KafkaError`. */
  committed(
    partitions: readonly TopicPartition[],
    { deadline, signal }: Patience,
  ): Promise<readonly PartitionOffset[]> {
    const token = ++this.#tokens;
    return this.#until<readonly PartitionOffset[]>(signal, (resolve, reject) => {
      this.#fetching.set(token, (offsets, error) => (error === undefined ? resolve(offsets) : reject(error)));
      this.#carryOut(this.#fetches.fetch(this.#client.moment(), token, partitions, deadline));
      return () => void this.#fetching.delete(token);
    });
  }

  /** `patiently` without a deadline, which the kernels keep. */
  #until<T>(signal: Patience["signal"], begin: Parameters<typeof patiently<T>>[3]): Promise<T> {
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "the call was not answered in time");
    return patiently<T>(this.#client.env, { deadline: Infinity, signal }, late, begin);
  }

  /** Gives up commits of partitions that the member has given up. */
  forget(partitions: readonly TopicPartition[]): void {
    this.#carryOut(this.#commits.forget(partitions));
  }

  /** Ends what is under way with CLOSED. */
  close(): void {
    this.#isClosed = true;
    this.#alarm.cancel();
    const error = new KafkaError("CLOSED", "the consumer is closed");
    for (const settle of [...this.#committing.values()]) settle(error);
    for (const settle of [...this.#fetching.values()]) settle([], error);
    this.#committing.clear();
    this.#fetching.clear();
  }

  #carryOut(effects: readonly OffsetEffect[]): void {
    for (const effect of effects) this.#perform(effect);
    const deadline = Math.min(this.#commits.nextDeadline(), this.#fetches.nextDeadline());
    this.#alarm.set(this.#isClosed ? Infinity : deadline);
  }

  #perform(effect: OffsetEffect): void {
    switch (effect.type) {
      case "call":
        this.#send(effect).catch((error: unknown) => {
          this.#client.env.logger.error("offsets cannot be committed or read any more", { error: String(error) });
        });
        return;
      case "committed": {
        const settle = this.#committing.get(effect.token);
        this.#committing.delete(effect.token);
        return settle?.(effect.error);
      }
      case "fetched": {
        const settle = this.#fetching.get(effect.token);
        this.#fetching.delete(effect.token);
        return settle?.(effect.offsets, effect.error);
      }
      case "forgetCoordinator":
        return this.#client.forgetCoordinator("group", this.#groupId);
      case "suspect":
        return this.#suspect();
    }
  }

  /** Sends a request, and gives its answer or its failure back. Rejects if there is a bug. */
  async #send({ id, maxVersion, call }: Call): Promise<void> {
    const place = { kind: "group", key: this.#groupId } as const;
    const kernel: Commits | Fetches = call.api === "OffsetCommit" ? this.#commits : this.#fetches;
    let take: (moment: Moment) => readonly OffsetEffect[];
    try {
      if (call.api === "OffsetCommit") {
        const answer = await this.#client.callCoordinator(place, call.api, call.request, { maxVersion });
        take = moment => this.#commits.answered(moment, id, answer);
      } else {
        const answer = await this.#client.callCoordinator(place, call.api, call.request, { maxVersion });
        take = moment => this.#fetches.answered(moment, id, answer);
      }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      take = moment => kernel.failed(moment, id, error);
    }
    if (!this.#isClosed) this.#carryOut(take(this.#client.moment()));
  }
}
