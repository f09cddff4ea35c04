import {
  type BrokerId,
  type Env,
  ExponentialBackoff,
  groupBy,
  type PartitionIndex,
  type Timer,
  type WireOffset,
} from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { type ResponseOf, WireError } from "@samsa/wire";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import type { Topics } from "../replica/topics.ts";

interface Host {
  readonly env: Pick<Env, "timers" | "random" | "logger">;
  readonly nodeId: BrokerId;
  readonly peers: Pick<BrokerPeers, "call">;
  readonly topics: Pick<Topics, "image" | "leader">;
}

/** Partition by the name of its topic. */
interface Named {
  readonly topic: string;
  readonly index: PartitionIndex;
}

/** End of a partition as its leader tells it: the high watermark, or an error code. */
export interface LatestOffset {
  readonly offset: WireOffset;
  readonly errorCode: number;
}

/** Attempts of a request whose broker does not answer (`NetworkPartitionMetadataClient.MAX_RETRY_ATTEMPTS`). */
const ATTEMPTS = 5;
const BACKOFF = new ExponentialBackoff({ initialMs: 1000, maxMs: 30_000, jitter: 0.2 });
/** Timestamp of a ListOffsets request for the end of a partition. */
const LATEST = -1;

/** Ends of partitions, of which other brokers lead some (`NetworkPartitionMetadataClient`). */
export class LatestOffsets {
  readonly #host: Host;
  /** Calls that wait until their leader is asked again, and what gives them up. */
  readonly #waits = new Map<Timer, () => void>();
  #isClosed = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Key of a partition in the answer of `list`. */
  static keyOf({ topic, index }: Named): string {
    return `${topic}-${index}`;
  }

  /** Asks the leaders of partitions, each once; then calls `done`. */
  list(partitions: readonly Named[], done: (ends: ReadonlyMap<string, LatestOffset>) => void): void {
    const { nodeId, topics } = this.#host;
    const ends = new Map<string, LatestOffset>();
    const away: { leader: BrokerId; partition: Named }[] = [];
    for (const partition of partitions) {
      const { topic, index } = partition;
      const id = topics.image.topicIds.get(topic);
      const leader = id === undefined ? -1 : (topics.image.topics.get(id)?.partitions.get(index)?.leader ?? -1);
      if (leader < 0) ends.set(LatestOffsets.keyOf(partition), failure(Errors.LEADER_NOT_AVAILABLE.code));
      else if (leader === nodeId) ends.set(LatestOffsets.keyOf(partition), this.#own(partition));
      else away.push({ leader, partition });
    }
    let waiting = 1;
    const end = (): void => {
      if (--waiting === 0) done(ends);
    };
    for (const [leader, found] of groupBy(away, one => one.leader)) {
      const asked = found.map(one => one.partition);
      waiting++;
      this.#ask(leader, asked, 1, endOf => {
        for (const partition of asked) ends.set(LatestOffsets.keyOf(partition), endOf(partition));
        end();
      });
    }
    end();
  }

  /** Asks no leader again; what waits for one fails. */
  close(): void {
    this.#isClosed = true;
    const waits = [...this.#waits];
    this.#waits.clear();
    for (const [wait, giveUp] of waits) {
      wait.cancel();
      giveUp();
    }
  }

  #own({ topic, index }: Named): LatestOffset {
    const partition = this.#host.topics.leader(topic, index);
    return typeof partition === "number" ? failure(partition) : { offset: partition.highWatermark, errorCode: 0 };
  }

  #ask(
    leader: BrokerId,
    asked: readonly Named[],
    attempt: number,
    done: (found: (partition: Named) => LatestOffset) => void,
  ): void {
    const { env, peers } = this.#host;
    const topics = [...groupBy(asked, ({ topic }) => topic)].map(([name, partitions]) => ({
      name,
      partitions: partitions.map(({ index }) => ({ partitionIndex: index, currentLeaderEpoch: -1, timestamp: LATEST })),
    }));
    peers
      .call(leader, "ListOffsets", { replicaId: -1, isolationLevel: 0, topics })
      .then(
        response => done(endsOf(response)),
        (error: unknown) => {
          const isWire = error instanceof WireError;
          if (!isWire) env.logger.error("the ends of partitions could not be asked for", { leader, error });
          const { code } = isWire ? Errors.NETWORK_EXCEPTION : Errors.UNKNOWN_SERVER_ERROR;
          const giveUp = (): void => done(() => failure(code));
          if (!isWire || attempt >= ATTEMPTS || this.#isClosed) return giveUp();
          const pauseMs = BACKOFF.delayMs(attempt, env.random.next());
          const wait = env.timers.after(pauseMs, () => {
            this.#waits.delete(wait);
            this.#ask(leader, asked, attempt + 1, done);
          });
          this.#waits.set(wait, giveUp);
        },
      )
      .catch((error: unknown) => env.logger.error("the ends of partitions could not be used", { leader, error }));
  }
}

function failure(errorCode: number): LatestOffset {
  return { offset: -1, errorCode };
}

function endsOf({ topics }: ResponseOf<"ListOffsets">): (partition: Named) => LatestOffset {
  const ends = new Map<string, LatestOffset>();
  for (const { name, partitions } of topics) {
    for (const end of partitions) ends.set(LatestOffsets.keyOf({ topic: name, index: end.partitionIndex }), end);
  }
  return partition => ends.get(LatestOffsets.keyOf(partition)) ?? failure(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
}
