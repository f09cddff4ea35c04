import type { BrokerImage } from "@samsa/metadata";
import { expect, test } from "vitest";
import { describeCluster } from "../src/api/cluster/describe-cluster.ts";

const endPoints = (id: number) => [{ name: "PLAINTEXT", host: `h${id}`, port: id, securityProtocol: 0 }];
const broker = (brokerId: number, fenced: boolean) =>
  ({ brokerId, fenced, rack: null, endPoints: endPoints(brokerId) }) as unknown as BrokerImage;

type Parts = Parameters<typeof describeCluster>[0];

/** Brokers in the answer of broker 2, which is not unfenced yet, to a request on a listener. */
function described(includeFencedBrokers: boolean, listener = "PLAINTEXT"): unknown {
  const node = (nodeId: number) => ({ nodeId, host: `h${nodeId}`, port: nodeId, rack: null });
  const brokers = new Map([1, 2, 3].map(id => [id, broker(id, id !== 3)]));
  const parts = {
    clusterId: "c",
    env: { random: { next: () => 0 } },
    nodes: () => [node(2), node(3)],
    topics: { image: { brokers } },
  } as unknown as Parts;
  const request = { includeClusterAuthorizedOperations: false, endpointType: 1, includeFencedBrokers };
  let told: unknown;
  describeCluster(parts, request, { listener } as Parameters<typeof describeCluster>[2], response => {
    told = response?.brokers.map(({ brokerId, isFenced }) => [brokerId, isFenced]);
  });
  return told;
}

test("fenced brokers are told to clients that ask for them, if they have the listener", () => {
  expect(described(false)).toEqual([
    [2, false],
    [3, false],
  ]);
  expect(described(true)).toEqual([
    [1, true],
    [2, false],
    [3, false],
  ]);
  expect(described(true, "OTHER")).toEqual([
    [2, false],
    [3, false],
  ]);
});
