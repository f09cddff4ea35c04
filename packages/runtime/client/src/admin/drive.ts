import { type BrokerId, ExponentialBackoff, groupBy } from "@samsa/base";
import { KafkaError, partitionKey, retryBackoff, type TopicPartition } from "@samsa/client-kernel";
import { Errors } from "@samsa/protocol";
import { OPERATION_CODES } from "@samsa/security";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import type { CoordinatorKind } from "../cluster/coordinators.ts";
import { type CancelSignal, holding, pause, type Patience } from "../cluster/deadline.ts";
import type { Outcome } from "./outcomes.ts";

/** Options of every call of an admin. */
export interface AdminOptions {
  /** Longest time of the call, with all its attempts, in ms (`default.api.timeout.ms`: 60 s). */
  readonly timeoutMs?: number;
  readonly signal?: CancelSignal;
}

/** Part of a call that goes to one broker. */
export interface Share<K, T> {
  readonly keys: readonly K[];
  readonly ask: () => Promise<ReadonlyMap<K, Outcome<T>>>;
}

/** Plan of a call about several items (`AdminApiDriver`). */
export interface Plan<K, T> {
  readonly keys: Iterable<K>;
  /** Says whom to ask about the items that are still open; an item that is not in a share has failed with `Outcome`. */
  readonly shares: (open: readonly K[]) => Promise<readonly Share<K, T>[]>;
  /** Forgets a leader or a coordinator that has refused an item. */
  readonly forget?: (key: K) => void;
  /** True for retriable errors that are the answer here: a missing topic cannot be described. */
  readonly isFinal?: (error: KafkaError) => boolean;
}

async function answersOf<K, T>({ keys, ask }: Share<K, T>): Promise<[K, Outcome<T>][]> {
  try {
    const answers = await ask();
    return keys.map(key => [key, answers.get(key) ?? leftOut()]);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return keys.map(key => [key, error]);
  }
}

function isMissing({ name }: KafkaError): boolean {
  return name === "UNKNOWN_TOPIC_OR_PARTITION" || name === "UNKNOWN_TOPIC_ID";
}

function leftOut(): KafkaError {
  return new KafkaError("PROTOCOL_VIOLATION", "the broker's answer leaves out what it was asked about");
}

/** Asks about all items, and again about those with a retriable error, until the caller's patience ends. */
export function drive<K, T>(client: ClusterClient, patience: Patience, plan: Plan<K, T>): Promise<Map<K, Outcome<T>>> {
  return holding(client.env, () => driven(client, patience, plan));
}

async function driven<K, T>(
  client: ClusterClient,
  patience: Patience,
  { keys, shares, forget, isFinal = () => false }: Plan<K, T>,
): Promise<Map<K, Outcome<T>>> {
  const backoff = new ExponentialBackoff(retryBackoff(client.settings));
  const outcomes = new Map<K, Outcome<T>>();
  let open = [...new Set(keys)];
  for (let failures = 0; ; failures++) {
    const answers = await Promise.all((await shares(open)).map(answersOf));
    for (const [key, outcome] of answers.flat()) outcomes.set(key, outcome);
    open = open.filter(key => {
      const outcome = outcomes.get(key);
      return outcome instanceof KafkaError && outcome.retriable && !isFinal(outcome);
    });
    const delay = backoff.delayMs(failures, client.env.random.next());
    if (open.length === 0 || client.isClosed || client.env.clock.monotonic() + delay >= patience.deadline)
      return outcomes;
    for (const key of open) forget?.(key);
    await pause(client.env, delay, patience);
  }
}

/** Plan with one request about all items, to any broker; brokers forward it to the controller if they have to. */
export function together<K, T>(
  keys: Iterable<K>,
  ask: (open: readonly K[]) => Promise<ReadonlyMap<K, Outcome<T>>>,
): Plan<K, T> {
  return { keys, shares: open => Promise.resolve([{ keys: open, ask: () => ask(open) }]), isFinal: isMissing };
}

/** Plan with a request for each item, to its coordinator. */
export function byCoordinator<T>(
  client: ClusterClient,
  kind: CoordinatorKind,
  keys: Iterable<string>,
  ask: (key: string) => Promise<Outcome<T>>,
): Plan<string, T> {
  return {
    keys,
    shares: open =>
      Promise.resolve(open.map(key => ({ keys: [key], ask: async () => new Map([[key, await ask(key)]]) }))),
    forget: key => client.forgetCoordinator(kind, key),
  };
}

/** Plan with a request to each broker that leads some of the partitions; the keys are those of `partitionKey`. */
export function byLeader<T>(
  client: ClusterClient,
  patience: Patience,
  partitions: readonly TopicPartition[],
  ask: (leader: BrokerId, led: readonly TopicPartition[]) => Promise<ReadonlyMap<string, Outcome<T>>>,
): Plan<string, T> {
  const byKey = new Map(partitions.map(entry => [partitionKey(entry.topic, entry.partition), entry]));
  const failure = (key: string, error: KafkaError): Share<string, T> => ({
    keys: [key],
    ask: () => Promise.resolve(new Map([[key, error]])),
  });
  return {
    keys: byKey.keys(),
    shares: async open => {
      const shares: Share<string, T>[] = [];
      const led: { readonly leader: BrokerId; readonly entry: TopicPartition }[] = [];
      for (const key of open) {
        const entry = byKey.get(key);
        if (entry === undefined) continue;
        const leader = await leaderOf(client, patience, entry);
        if (leader instanceof KafkaError) shares.push(failure(key, leader));
        else led.push({ leader, entry });
      }
      for (const [leader, ofLeader] of groupBy(led, entry => entry.leader)) {
        const entries = ofLeader.map(({ entry }) => entry);
        const keys = entries.map(({ topic, partition }) => partitionKey(topic, partition));
        shares.push({ keys, ask: () => ask(leader, entries) });
      }
      return shares;
    },
    forget: () => client.refresh(),
  };
}

/** Plan with one request to a broker about partitions; the keys are those of `partitionKey`. */
export function byBroker<T>(
  broker: BrokerId,
  partitions: readonly TopicPartition[],
  ask: (broker: BrokerId, entries: readonly TopicPartition[]) => Promise<ReadonlyMap<string, Outcome<T>>>,
): Plan<string, T> {
  const byKey = new Map(partitions.map(entry => [partitionKey(entry.topic, entry.partition), entry]));
  return {
    keys: byKey.keys(),
    shares: open => {
      const entries = open.flatMap(key => byKey.get(key) ?? []);
      return Promise.resolve([{ keys: open, ask: () => ask(broker, entries) }]);
    },
  };
}

async function leaderOf(
  client: ClusterClient,
  patience: Patience,
  { topic, partition }: TopicPartition,
): Promise<Outcome<BrokerId>> {
  try {
    const found = (await client.topic(topic, patience)).partitions[partition];
    if (found === undefined) return KafkaError.of(Errors.UNKNOWN_TOPIC_OR_PARTITION.code, `${topic}-${partition}`);
    if (found.leaderId < 0) return KafkaError.of(Errors.LEADER_NOT_AVAILABLE.code, `${topic}-${partition}`);
    return found.leaderId;
  } catch (error) {
    if (error instanceof KafkaError && error.name !== "ABORTED" && error.name !== "CLOSED") return error;
    throw error;
  }
}

/** Value or error of an answer. */
export function outcomeOf<T>(
  { errorCode, errorMessage }: { readonly errorCode: number; readonly errorMessage?: string | null },
  what: string,
  value: () => T,
): Outcome<T> {
  return errorCode === 0 ? value() : KafkaError.of(errorCode, what, errorMessage);
}

/** Throws the error of an answer that has one. */
export function check(
  { errorCode, errorMessage }: { readonly errorCode: number; readonly errorMessage?: string | null },
  what: string,
): void {
  if (errorCode !== 0) throw KafkaError.of(errorCode, what, errorMessage);
}

/** Names of a bit field of operations, null if the broker was not asked (`AclOperation`). */
export function operationsOf(bits: number): readonly string[] | undefined {
  if (bits === NOT_ASKED) return undefined;
  return Object.entries(OPERATION_CODES).flatMap(([name, code]) =>
    code > OPERATION_CODES.ANY && (bits & (1 << code)) !== 0 ? [name] : [],
  );
}

const NOT_ASKED = -2147483648;
