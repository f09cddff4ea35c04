import { type BrokerId, type Env, entryAt, type LeaderEpoch, type PartitionIndex, type Uuid } from "@samsa/base";
import { type ApiName, Errors } from "@samsa/protocol";
import type { Endpoint, RequestOf, ResponseOf } from "@samsa/wire";
import type { Prng } from "../world/prng.ts";
import { CALLS } from "./calls.ts";
import { type Call, Client } from "./client.ts";

/** Errors after which a client looks for the leader or coordinator again. */
const MOVED: ReadonlySet<unknown> = new Set(
  [
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.LEADER_NOT_AVAILABLE,
    Errors.FENCED_LEADER_EPOCH,
    Errors.UNKNOWN_LEADER_EPOCH,
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.UNKNOWN_TOPIC_ID,
    Errors.INCONSISTENT_TOPIC_ID,
    Errors.NOT_COORDINATOR,
    Errors.COORDINATOR_NOT_AVAILABLE,
    Errors.KAFKA_STORAGE_ERROR,
  ].map(({ code }) => code),
);
const GROUP = 0;
const TRANSACTION = 1;

/** Fields of requests by which they are routed; each request has some. */
interface Routed {
  readonly topicData?: readonly {
    readonly topicId?: string;
    readonly name?: string;
    readonly partitionData: readonly { readonly index: number }[];
  }[];
  readonly topics?: readonly {
    readonly topicId?: string;
    readonly name?: string;
    readonly topic?: string;
    readonly partitions?: readonly { readonly partition?: number; readonly partitionIndex?: number }[];
  }[];
  readonly groupId?: string;
  readonly groupsNames?: readonly string[];
  readonly transactionalId?: string | null;
}

/** APIs that a group's coordinator serves, and those of a transaction's coordinator. */
const OF_GROUP: ReadonlySet<ApiName> = new Set<ApiName>([
  "JoinGroup",
  "SyncGroup",
  "Heartbeat",
  "LeaveGroup",
  "OffsetCommit",
  "OffsetFetch",
  "TxnOffsetCommit",
  "ConsumerGroupHeartbeat",
  "ShareGroupHeartbeat",
  "OffsetDelete",
  "DeleteGroups",
]);
const OF_TRANSACTION: ReadonlySet<ApiName> = new Set<ApiName>([
  "InitProducerId",
  "AddPartitionsToTxn",
  "AddOffsetsToTxn",
  "EndTxn",
]);
const OF_LEADER: ReadonlySet<ApiName> = new Set<ApiName>(["Produce", "Fetch", "ListOffsets", "DeleteRecords"]);

/**
 * Client of a cluster: sends each request to the leader or coordinator that it knows, and learns of another one after an
 * error or a lost answer. A request with several partitions goes to the leader of the first one.
 */
export class RoutedClient extends Client {
  readonly #bootstrap: readonly Endpoint[];
  readonly #rng: Prng;
  /** Leaders by `topic/partition`, for each topic by its name and by its id. */
  readonly #leaders = new Map<string, Endpoint>();
  /** Highest leader epoch of each partition: a broker that is cut off names leaders of earlier ones (KIP-320). */
  readonly #epochs = new Map<string, number>();
  readonly #coordinators = new Map<string, Endpoint>();
  readonly #brokers = new Map<number, Endpoint>();
  #isStale = true;
  /** Requests that need the same look-up wait for it together, so that they leave in their order. */
  #refreshing: Promise<void> | undefined;

  constructor(env: Env, name: string, { bootstrap, rng }: { bootstrap: readonly Endpoint[]; rng: Prng }) {
    super(env, name, entryAt(bootstrap, 0));
    this.#bootstrap = bootstrap;
    this.#rng = rng;
  }

  override async ask<N extends ApiName>(call: Call<N>, body: RequestOf<N>): Promise<ResponseOf<N> | undefined> {
    const answer = await super.ask(call, body);
    if (answer !== undefined && !hasMoved(answer)) return answer;
    this.#isStale = true;
    const key = coordinatorKey(call.api, body as Routed);
    if (key !== undefined) this.#coordinators.delete(`${key.type}/${key.name}`);
    return answer;
  }

  protected override async serverOf<N extends ApiName>(
    { api }: Call<N>,
    body: RequestOf<N>,
  ): Promise<Endpoint | undefined> {
    const coordinator = coordinatorKey(api, body as Routed);
    if (coordinator !== undefined) return this.#coordinator(coordinator.type, coordinator.name);
    if (!OF_LEADER.has(api)) return this.#anyone();
    await this.#update();
    return this.#leaders.get(leaderKey(body as Routed));
  }

  override leaderEpoch(topicId: Uuid, partition: PartitionIndex): LeaderEpoch {
    return this.#epochs.get(`${topicId}/${partition}`) ?? -1;
  }

  /** Broker that leads a partition, as far as this client knows; undefined if it knows none. */
  async leaderOf(topicId: Uuid, partition: PartitionIndex): Promise<BrokerId | undefined> {
    await this.#update();
    const leader = this.#leaders.get(`${topicId}/${partition}`);
    return [...this.#brokers].find(([, { host, port }]) => host === leader?.host && port === leader.port)?.[0];
  }

  /** Asks one broker; undefined if it is not known, or without an answer. */
  async askBroker<N extends ApiName>(
    id: BrokerId,
    call: Call<N>,
    body: RequestOf<N>,
  ): Promise<ResponseOf<N> | undefined> {
    const server = this.#brokers.get(id);
    const answer = server === undefined ? undefined : await this.askOf(server, call, body);
    if (answer === undefined || hasMoved(answer)) this.#isStale = true;
    return answer;
  }

  #anyone(): Endpoint {
    return this.#rng.oneOf(this.#bootstrap);
  }

  async #update(): Promise<void> {
    if (!this.#isStale && this.#refreshing === undefined) return;
    this.#refreshing ??= this.#refresh().finally(() => void (this.#refreshing = undefined));
    await this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const answer = await this.askOf(this.#anyone(), CALLS.metadata, { topics: null, allowAutoTopicCreation: false });
    if (answer === undefined) return;
    for (const { nodeId, host, port } of answer.brokers) this.#brokers.set(nodeId, { host, port });
    for (const { name, topicId, partitions } of answer.topics) {
      for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
        const leader = this.#brokers.get(leaderId);
        const key = `${topicId}/${partitionIndex}`;
        if (leader === undefined || leaderEpoch < (this.#epochs.get(key) ?? 0)) continue;
        this.#epochs.set(key, leaderEpoch);
        this.#leaders.set(`${name ?? ""}/${partitionIndex}`, leader).set(key, leader);
      }
    }
    this.#isStale = false;
  }

  async #coordinator(type: number, name: string): Promise<Endpoint | undefined> {
    const known = this.#coordinators.get(`${type}/${name}`);
    if (known !== undefined) return known;
    const found = await this.askOf(this.#anyone(), CALLS.findCoordinator, { key: name, keyType: type });
    if (found?.errorCode !== 0) return undefined;
    const { host, port } = found;
    this.#coordinators.set(`${type}/${name}`, { host, port });
    return { host, port };
  }
}

function coordinatorKey(api: ApiName, body: Routed): { readonly type: number; readonly name: string } | undefined {
  if (OF_GROUP.has(api)) return { type: GROUP, name: body.groupId ?? body.groupsNames?.[0] ?? "" };
  const id = body.transactionalId ?? "";
  return OF_TRANSACTION.has(api) && id !== "" ? { type: TRANSACTION, name: id } : undefined;
}

function leaderKey({ topicData, topics }: Routed): string {
  const produced = topicData?.[0];
  if (produced !== undefined) return `${produced.name ?? produced.topicId}/${produced.partitionData[0]?.index}`;
  const read = topics?.[0];
  const place = read?.partitions?.[0];
  return `${read?.name ?? read?.topic ?? read?.topicId}/${place?.partition ?? place?.partitionIndex}`;
}

/** True if any part of an answer has an error of `MOVED`. */
function hasMoved(answer: unknown): boolean {
  if (typeof answer !== "object" || answer === null || ArrayBuffer.isView(answer)) return false;
  if (Array.isArray(answer)) return answer.some(hasMoved);
  for (const name in answer) {
    const value = (answer as Record<string, unknown>)[name];
    if (typeof value === "object" ? hasMoved(value) : name === "errorCode" && MOVED.has(value)) return true;
  }
  return false;
}
