import type { BrokerId, LeaderEpoch } from "@samsa/base";
import { type FetcherHost, ReplicaFetcher } from "./replica-fetcher.ts";
import type { Partition } from "./partition.ts";

/** Fetchers of this broker, `num.replica.fetchers` for each broker that leads partitions (`ReplicaFetcherManager`). */
export class ReplicaFetchers {
  readonly #host: FetcherHost;
  readonly #fetchers = new Map<string, ReplicaFetcher>();
  /** Keys of the fetchers of partitions. */
  readonly #keys = new Map<Partition, string>();
  #isClosed = false;

  constructor(host: FetcherHost) {
    this.#host = host;
  }

  /** Number of fetchers. */
  get size(): number {
    return this.#fetchers.size;
  }

  /** Traffic of all fetchers. */
  get traffic(): FetcherHost["traffic"] {
    return this.#host.traffic;
  }

  /** Lags of the partitions that are fetched. */
  *lags(): ReturnType<ReplicaFetcher["lags"]> {
    for (const fetcher of this.#fetchers.values()) yield* fetcher.lags();
  }

  /** Fetches a partition from its leader; a leader of −1 is none. */
  follow(partition: Partition, leader: BrokerId, leaderEpoch: LeaderEpoch): void {
    this.stop(partition);
    if (leader < 0 || leader === this.#host.nodeId || this.#isClosed) return;
    const index = fetcherIndex(partition, this.#host.config()["num.replica.fetchers"]);
    const key = `${leader}/${index}`;
    let fetcher = this.#fetchers.get(key);
    if (fetcher === undefined) {
      fetcher = new ReplicaFetcher(this.#host, leader, index);
      this.#fetchers.set(key, fetcher);
    }
    this.#keys.set(partition, key);
    fetcher.assign(partition, leaderEpoch);
  }

  /** Stops to fetch a partition: it leads, is gone, or has another leader. */
  stop(partition: Partition): void {
    const key = this.#keys.get(partition);
    if (key === undefined) return;
    this.#keys.delete(partition);
    this.#fetchers.get(key)?.revoke(partition);
  }

  /** Closes fetchers without partitions. */
  closeIdle(): void {
    for (const [key, fetcher] of this.#fetchers) {
      if (fetcher.size > 0) continue;
      this.#fetchers.delete(key);
      fetcher.close();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const fetcher of this.#fetchers.values()) fetcher.close();
    this.#fetchers.clear();
    this.#keys.clear();
  }
}

/** Index of a partition's fetcher: partitions of a topic are spread, and a partition keeps its fetcher. */
function fetcherIndex({ topic, index }: Partition, fetchers: number): number {
  let hash = 0;
  for (let i = 0; i < topic.length; i++) hash = (hash * 31 + topic.charCodeAt(i)) | 0;
  return Math.abs((hash * 31 + index) | 0) % fetchers;
}
