import { entryAt } from "@samsa/base";
import { ClassicGroup, type GroupPlace } from "./classic-group.ts";
import { ConsumerGroup } from "./consumer-group.ts";
import { connectAll, coordinatorsOf, costOf, createTopic, type Measured, type Target, until } from "./target.ts";
import { median } from "../system/quantile.ts";

const PARTITIONS = 1000;
const CLASSIC_MEMBERS = 200;
const CONSUMER_MEMBERS = 1000;
const CONNECTIONS = 200;
/** Time in ms in which groups are measured; one is, however long it takes. */
const SPAN_MS = { quick: 5000, full: 15_000 } as const;

interface Group {
  readonly isSettled: boolean;
  start(): Promise<unknown>;
  end(): Promise<void>;
}

interface Settled {
  readonly ms: number;
  readonly cpu: number;
}

async function settle(target: Target, group: Group): Promise<Settled> {
  const { seconds, cpu } = await costOf(target, async () => {
    let failure: { readonly error: unknown } | undefined;
    // A member that fails would only let the group wait for it.
    group.start().catch((error: unknown) => (failure = { error }));
    const limits = { pauseMs: 5 };
    await until("a balanced group", () => failure !== undefined || group.isSettled, limits);
    if (failure !== undefined) throw failure.error;
  });
  await group.end();
  return { ms: seconds * 1000, cpu };
}

/** Settles one group without measuring, and then others for some time. Returns the medians. */
async function settleMany(target: Target, create: (name: string) => Promise<Group>, kind: string): Promise<Settled> {
  await settle(target, await create(`${kind}-warm`));
  const all: Settled[] = [];
  const end = performance.now() + (target.quick ? SPAN_MS.quick : SPAN_MS.full);
  do all.push(await settle(target, await create(`${kind}-${all.length}`)));
  while (performance.now() < end);
  return { ms: median(all.map(({ ms }) => ms)), cpu: median(all.map(({ cpu }) => cpu)) };
}

/** Measures large groups: the time until all members, who come at once, have a balanced assignment. */
export async function groups(target: Target): Promise<Measured> {
  const connections = await connectAll(target, CONNECTIONS, Math.ceil(CONSUMER_MEMBERS / CONNECTIONS));
  const first = entryAt(connections, 0);
  const topic = "grouped";
  const topicId = await createTopic(first, topic, PARTITIONS);
  const placed = async (groupId: string, members: number): Promise<GroupPlace> => {
    await coordinatorsOf(first, [groupId]);
    return { groupId, topic, members, partitions: PARTITIONS };
  };
  const classic = await settleMany(
    target,
    async name => new ClassicGroup(await placed(name, CLASSIC_MEMBERS), connections),
    "classic",
  );
  const consumer = await settleMany(
    target,
    async name => new ConsumerGroup(await placed(name, CONSUMER_MEMBERS), topicId, connections),
    "consumer",
  );
  for (const connection of connections) connection.close();
  return {
    "groups.classic": classic.ms,
    "groups.classic-cpu": classic.cpu,
    "groups.consumer": consumer.ms,
    "groups.consumer-cpu": consumer.cpu,
  };
}
