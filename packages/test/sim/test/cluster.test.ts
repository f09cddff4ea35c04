import { type Env, ZERO_UUID } from "@samsa/base";
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { type ClusterOutcome, clusterReplayCommand, runCluster } from "@samsa/sim";
import { expect, test } from "vitest";
import { ClusterLedger } from "../src/cluster/cluster-ledger.ts";

/** Seeds whose clusters do, together, all that a scenario may. */
const SEEDS = [1, 2, 6, 13];

function verdict({ seed, violation }: ClusterOutcome): string {
  return violation === undefined ? "holds" : `${violation.message}\n  ${clusterReplayCommand(seed)}`;
}

// No timeout: the number of seeds bounds the test, and a busy machine only makes it slower.
test(`clusters keep every rule in ${SEEDS.length} seeds`, { timeout: 0 }, async () => {
  const seen = { acknowledged: 0, served: 0, commits: 0, transactions: 0, faults: 0 };
  const activity = new Map<string, number>();
  for (const seed of SEEDS) {
    const outcome = await runCluster(seed);
    expect(verdict(outcome)).toBe("holds");
    seen.acknowledged += outcome.acknowledged;
    seen.served += outcome.served;
    seen.commits += outcome.commits;
    seen.transactions += outcome.transactions;
    seen.faults += outcome.faults;
    for (const [what, count] of Object.entries(outcome.activity)) activity.set(what, (activity.get(what) ?? 0) + count);
  }
  // An idle simulation would break no rule either: require some activity.
  expect(seen.acknowledged).toBeGreaterThan(SEEDS.length * 50);
  expect(seen.served).toBeGreaterThan(SEEDS.length * 100);
  expect(seen.commits).toBeGreaterThan(SEEDS.length * 5);
  expect(seen.transactions).toBeGreaterThan(SEEDS.length);
  expect(seen.faults).toBeGreaterThan(SEEDS.length);
  expect([...activity].filter(([, count]) => count === 0)).toEqual([]);
});

test("a seed of a cluster is the same history each time", { timeout: 0 }, async () => {
  const first = await runCluster(3);
  expect((await runCluster(3)).hash).toBe(first.hash);
  expect((await runCluster(9)).hash).not.toBe(first.hash);
});

test("the rules of clusters find an fsync that does nothing", { timeout: 0 }, async () => {
  const sabotage = (env: Env): Env => ({
    ...env,
    disk: {
      ...env.disk,
      open: (path, mode) => ({ ...env.disk.open(path, mode), sync: () => Promise.resolve(), syncNow() {} }),
    },
  });
  const found: string[] = [];
  for (let seed = 1; seed <= 30 && found.length === 0; seed++) {
    const { violation } = await runCluster(seed, { sabotage });
    if (violation !== undefined) found.push(violation.rule);
  }
  expect(found).toHaveLength(1);
});

test("what Kafka allows to be lost is counted, and what was deleted is not lost", () => {
  const ledger = new ClusterLedger({ crc32c: nodeCrc32c(), codecs: nodeCodecs() });
  const topic = { name: "t", id: ZERO_UUID, partitions: 1, replicas: 3, minIsr: 2, flushed: false };
  const place = { topic, partition: 0 };
  const ack = (offset: number, ...values: string[]): void => {
    ledger.sent(place, values);
    ledger.acked(place, values, { process: "p", offset, durable: true });
  };
  ack(0, "deleted", "lost");
  ledger.mayLose(() => true);
  ack(2, "lost in doubt");
  ledger.trimmed(place, 1);
  ledger.whole();
  ledger.readThrough(place, 1);
  expect([ledger.promised, ledger.lost]).toEqual([2, 2]);
});
