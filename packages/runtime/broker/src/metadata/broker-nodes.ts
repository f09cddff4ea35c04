import type { BrokerId, Env, PartitionIndex } from "@samsa/base";
import { type BrokerImage, type MetadataImage, topicNamed } from "@samsa/metadata";

/** Endpoint of a broker for clients. */
export interface BrokerNode {
  readonly nodeId: BrokerId;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

function endpointOf({ brokerId, endPoints, rack }: BrokerImage, listener: string): BrokerNode | undefined {
  const found = endPoints.find(({ name }) => name === listener);
  return found && { nodeId: brokerId, host: found.host, port: found.port, rack };
}

/** Endpoint of an unfenced broker on a listener; undefined if it has none (`MetadataCache.getAliveBrokerNode`). */
export function aliveNode({ brokers }: MetadataImage, id: BrokerId, listener: string): BrokerNode | undefined {
  const broker = brokers.get(id);
  return broker === undefined || broker.fenced ? undefined : endpointOf(broker, listener);
}

/** Endpoints of all unfenced brokers on a listener (`MetadataCache.getAliveBrokerNodes`). */
export function aliveNodes({ brokers }: MetadataImage, listener: string): BrokerNode[] {
  return [...brokers.values()].flatMap(broker => (broker.fenced ? [] : (endpointOf(broker, listener) ?? [])));
}

/** Endpoints of all fenced brokers on a listener. */
export function fencedNodes({ brokers }: MetadataImage, listener: string): BrokerNode[] {
  return [...brokers.values()].flatMap(broker => (broker.fenced ? (endpointOf(broker, listener) ?? []) : []));
}

/**
 * Id of any of these brokers, which clients take for the controller: each of them forwards what it does not decide
 * (`MetadataCache.getRandomAliveBrokerId`). −1: there is none.
 */
export function anyOf(nodes: readonly BrokerNode[], random: Pick<Env["random"], "next">): BrokerId {
  return nodes[Math.floor(random.next() * nodes.length)]?.nodeId ?? -1;
}

/** Leader of a partition; −1: it has none. Undefined: there is no such partition. */
export function leaderOf(image: MetadataImage, topic: string, index: PartitionIndex): BrokerId | undefined {
  return topicNamed(image, topic)?.partitions.get(index)?.leader;
}
