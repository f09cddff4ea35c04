import type { Uuid } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { Errors } from "@samsa/protocol";
import { BrokerConnection } from "@samsa/wire";
import { cpuSecondsOf } from "../system/proc.ts";
import { sleep } from "../system/sleep.ts";

/** Broker under a load. */
export interface Target {
  readonly port: number;
  readonly pid: number;
  /** Its log directory. */
  readonly data: string;
  /** Sends a third. */
  readonly quick: boolean;
}

/** Figures of a load by the key of their row; NaN: not measured. */
export type Measured = Readonly<Record<string, number>>;

/** Types of the resources of IncrementalAlterConfigs. */
export const RESOURCE = { topic: 2, group: 32 } as const;

const LIMIT_MS = 60_000;
const PAUSE_MS = 20;
const SET = 0;

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });

/** Errors of a coordinator that is not there yet. */
const EARLY: readonly number[] = [
  Errors.COORDINATOR_LOAD_IN_PROGRESS.code,
  Errors.COORDINATOR_NOT_AVAILABLE.code,
  Errors.NOT_COORDINATOR.code,
];

/** True if the coordinator is not there yet, so that the request comes again. */
export const isEarly = (errorCode: number): boolean => EARLY.includes(errorCode);

/** Throws for an error code other than 0. */
export function expectNone(errorCode: number | undefined, what: string): void {
  if (errorCode !== 0) throw new Error(`${what} failed with error ${errorCode}`);
}

export const connect = ({ port }: Pick<Target, "port">, maxInFlight = 5): Promise<BrokerConnection> =>
  BrokerConnection.connect(
    env,
    { host: "127.0.0.1", port },
    {
      clientId: "bench",
      software: { name: "bench", version: "1" },
      maxInFlight,
      // A member waits for all others of its group.
      requestTimeoutMs: 2 * LIMIT_MS,
    },
  );

export const connectAll = (target: Target, count: number, maxInFlight?: number): Promise<BrokerConnection[]> =>
  Promise.all(Array.from({ length: count }, () => connect(target, maxInFlight)));

/** Waits until `holds`. Throws if that takes longer than `limitMs`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { limitMs = LIMIT_MS, pauseMs = PAUSE_MS } = {},
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${limitMs} ms went by without: ${what}`);
    await sleep(pauseMs);
  }
}

/** Creates a topic with one replica, and waits until its partitions have leaders. Returns its id. */
export async function createTopic(
  connection: BrokerConnection,
  name: string,
  numPartitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<Uuid> {
  const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
  const asked = { name, numPartitions, replicationFactor: 1, assignments: [], configs };
  const created = await connection.call("CreateTopics", { topics: [asked], timeoutMs: 30_000, validateOnly: false });
  expectNone(created.topics[0]?.errorCode, `the creation of ${name}`);
  return topicIdOf(connection, name, numPartitions);
}

/** Id of a topic, once its partitions have leaders. */
export async function topicIdOf(connection: BrokerConnection, name: string, numPartitions: number): Promise<Uuid> {
  let found: Uuid | undefined;
  await until(`leaders of ${name}`, async () => {
    const { topics } = await connection.call("Metadata", { topics: [{ name }], allowAutoTopicCreation: false });
    const [topic] = topics;
    if (topic?.partitions.filter(({ leaderId }) => leaderId >= 0).length === numPartitions) found = topic.topicId;
    return found !== undefined;
  });
  if (found === undefined) throw new Error(`${name} has no id`);
  return found;
}

/** Changes settings of a topic or a group. */
export async function alter(
  connection: BrokerConnection,
  resourceType: number,
  resourceName: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const configs = Object.entries(settings).map(([name, value]) => ({ name, configOperation: SET, value }));
  const resources = [{ resourceType, resourceName, configs }];
  const { responses } = await connection.call("IncrementalAlterConfigs", { resources, validateOnly: false });
  expectNone(responses[0]?.errorCode, `the change of ${resourceName}`);
}

/** Waits until the coordinators of groups are known. */
export async function coordinatorsOf(connection: BrokerConnection, groupIds: readonly string[]): Promise<void> {
  await until("coordinators of groups", async () => {
    const { coordinators } = await connection.call("FindCoordinator", { keyType: 0, coordinatorKeys: groupIds });
    return coordinators.every(({ errorCode }) => errorCode === 0);
  });
}

/** Time of `work` in seconds, and the broker's processor seconds meanwhile; NaN outside Linux. */
export async function costOf<T>(
  { pid }: Target,
  work: () => Promise<T>,
): Promise<{ result: T; seconds: number; cpu: number }> {
  const cpu = cpuSecondsOf(pid) ?? Number.NaN;
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  return { result, seconds, cpu: (cpuSecondsOf(pid) ?? Number.NaN) - cpu };
}

/** Repeats all lanes, each one call after the other, for `ms`. Returns the number of calls. */
export async function repeated(ms: number, lanes: readonly (() => Promise<void>)[]): Promise<number> {
  const end = performance.now() + ms;
  let count = 0;
  const repeat = async (lane: () => Promise<void>): Promise<void> => {
    while (performance.now() < end) {
      await lane();
      count++;
    }
  };
  await Promise.all(lanes.map(repeat));
  return count;
}

/** Milliseconds of a measured part, and those of the warm-up before it. */
export const spans = (quick: boolean): { readonly warmMs: number; readonly measuredMs: number } =>
  quick ? { warmMs: 3000, measuredMs: 5000 } : { warmMs: 8000, measuredMs: 15_000 };
