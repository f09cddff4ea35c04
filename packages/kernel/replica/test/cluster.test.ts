import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LAG_MS, ModelCluster, type ModelNode } from "./model-cluster.ts";

const ACTIONS = ["image", "produce", "fetch", "deliver", "drop", "timeOut", "flush", "tick"] as const;
const RARE = ["fence", "unfence", "elect", "crash", "restart", "lag"] as const;

const step = fc.oneof(
  { weight: 30, arbitrary: fc.tuple(fc.constantFrom(...ACTIONS), fc.nat(100)) },
  { weight: 20, arbitrary: fc.tuple(fc.constantFrom("image", "produce", "fetch", "deliver"), fc.nat(100)) },
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom(...RARE), fc.nat(100)) },
);

function play(cluster: ModelCluster, what: (typeof ACTIONS)[number] | (typeof RARE)[number], by: number): void {
  const node = cluster.nodes[by % cluster.nodes.length] as ModelNode;
  const index = cluster.messages.length === 0 ? 0 : by % cluster.messages.length;
  switch (what) {
    case "image":
      return cluster.takeImage(node);
    case "produce":
      return cluster.produce(node);
    case "fetch":
      return cluster.fetch(node);
    case "deliver":
      return cluster.deliver(index);
    case "drop":
      return cluster.drop(index);
    case "timeOut":
      return cluster.timeOut(node);
    case "flush":
      return cluster.flush(node);
    case "tick":
      return cluster.tick(by % 20);
    case "lag":
      return cluster.tick(LAG_MS + 1);
    case "fence":
      return cluster.fence(node);
    case "unfence":
      return cluster.unfence(node);
    case "elect":
      return cluster.elect();
    case "crash":
      return cluster.crash(node, by);
    case "restart":
      return cluster.restart(node);
  }
}

/** Highest high watermark of each leader epoch. */
type Watermarks = Map<number, number>;

function check(cluster: ModelCluster, watermarks: Watermarks): void {
  const { leader, state, nodes } = cluster;
  if (leader !== undefined) {
    const { highWatermark } = leader.replica;
    for (const [offset, value] of cluster.acknowledged) {
      expect(leader.log.records[offset]?.value, `the leader has record ${offset}`).toBe(value);
    }
    for (const id of state.isr) {
      const node = nodes[id] as ModelNode;
      if (node.isUp && !cluster.fenced.has(id)) {
        expect(node.log.endOffset, `${id} in sync has what is committed`).toBeGreaterThanOrEqual(highWatermark);
      }
      expect(leader.replica.leader?.maximalIsr).toContain(id);
    }
  }
  for (const node of nodes) {
    const { replica } = node;
    if (!node.isUp || replica.leader === undefined) continue;
    const known = watermarks.get(replica.leaderEpoch);
    const before = known ?? 0;
    expect(replica.highWatermark, "a leader's high watermark does not fall").toBeGreaterThanOrEqual(before);
    for (const id of known !== undefined && replica.highWatermark > known ? replica.leader.maximalIsr : []) {
      expect(replica.leader.endOf(id) ?? Infinity, `${id} has told its end`).toBeGreaterThanOrEqual(
        replica.highWatermark,
      );
    }
    watermarks.set(replica.leaderEpoch, replica.highWatermark);
    expect(replica.highWatermark).toBeLessThanOrEqual(node.log.endOffset);
  }
  agree(cluster);
}

/** All logs are equal below the lower of two high watermarks. */
function agree({ nodes }: ModelCluster): void {
  for (const one of nodes) {
    for (const other of nodes) {
      if (one.id >= other.id || !one.isUp || !other.isUp) continue;
      const end = Math.min(one.replica.highWatermark, other.replica.highWatermark);
      expect(one.log.records.slice(0, end)).toEqual(other.log.records.slice(0, end));
    }
  }
}

/** Ends all faults, and lets the replicas work until they are equal. */
function heal(cluster: ModelCluster): void {
  for (const node of cluster.nodes) {
    cluster.restart(node);
    cluster.unfence(node);
    cluster.timeOut(node);
  }
  for (let round = 0; round < 60; round++) {
    for (const node of cluster.nodes) {
      while (node.images.length > 0) cluster.takeImage(node);
      cluster.fetch(node);
    }
    cluster.tick(10);
    for (let left = 1000; cluster.messages.length > 0 && left > 0; left--) cluster.deliver(0);
  }
}

describe("replicas of a partition", () => {
  test.each([
    [3, 1],
    [3, 2],
    [5, 2],
  ])("%i of them lose nothing that is acknowledged (min ISR %i)", (size, minInSync) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 400, size: "max" }), steps => {
        const cluster = new ModelCluster(size, minInSync);
        const watermarks: Watermarks = new Map();
        for (const [what, by] of steps) {
          play(cluster, what, by);
          check(cluster, watermarks);
        }
        heal(cluster);
        check(cluster, watermarks);
        const { leader, state, nodes } = cluster;
        expect(state.isr.toSorted((a, b) => a - b)).toEqual(state.replicas);
        for (const node of nodes) expect(node.log.records).toEqual(leader?.log.records);
        expect(leader?.replica.highWatermark).toBe(leader?.log.endOffset);
      }),
      { numRuns: 300 },
    );
  });
});
