import { encodeAssignment, encodeSubscription } from "@samsa/assign";
import { KafkaError } from "@samsa/client-kernel";
import { Admin, type ClusterClient } from "@samsa/client-runtime";
import { protocolError } from "../error/convert.ts";
import { bufferOf } from "../values/buffer.ts";
import type { ConsumerGroupState, GroupDescription } from "./types.ts";

/** Error of a coordinator that has moved, or has not loaded its groups yet: the call is to be repeated. */
const OF_COORDINATOR: readonly number[] = [14, 15, 16];
const GROUP_ID_NOT_FOUND = 69;
/** First version of DescribeGroups that does not know groups without members as dead ones (KIP-1043). */
const WITH_NOT_FOUND = 6;

/** Describes a group, of the classic protocol or of the new one. A group that does not exist is dead. */
export async function describeGroup(client: ClusterClient, groupId: string): Promise<GroupDescription> {
  const found = await client.retrying(client.patience(), () => classicGroup(client, groupId));
  return found.state === "Dead" ? ((await newGroup(client, groupId)) ?? found) : found;
}

async function classicGroup(client: ClusterClient, groupId: string): Promise<GroupDescription> {
  const { groups } = await client.callCoordinator(
    { kind: "group", key: groupId },
    "DescribeGroups",
    { groups: [groupId] },
    { maxVersion: WITH_NOT_FOUND - 1 },
  );
  const [group] = groups;
  if (group === undefined) throw new KafkaError("PROTOCOL_VIOLATION", `the answer leaves out group ${groupId}`);
  const { errorCode, groupState, protocolData: protocol, protocolType, members } = group;
  if (OF_COORDINATOR.includes(errorCode)) {
    client.forgetCoordinator("group", groupId);
    throw KafkaError.of(errorCode, `group ${groupId}`);
  }
  if (errorCode !== 0 && errorCode !== GROUP_ID_NOT_FOUND) throw protocolError(errorCode, `group ${groupId}`);
  return {
    ...{ errorCode: 0, groupId, protocol, protocolType, state: groupState as ConsumerGroupState },
    members: members.map(({ clientHost, clientId, memberId, memberAssignment, memberMetadata }) => ({
      ...{ clientHost, clientId, memberId },
      memberAssignment: bufferOf(memberAssignment),
      memberMetadata: bufferOf(memberMetadata),
    })),
  };
}

/** Description of a group of the new protocol (KIP-848); undefined if there is none. */
async function newGroup(client: ClusterClient, groupId: string): Promise<GroupDescription | undefined> {
  const found = (await new Admin(client).groups.describe([groupId])).get(groupId);
  if (found === undefined || found instanceof KafkaError || found.type !== "Consumer") return undefined;
  return {
    ...{ errorCode: 0, groupId, protocol: found.assignor, protocolType: "consumer" },
    state: found.state as ConsumerGroupState,
    members: found.members.map(({ host, clientId, memberId, topics, assignment }) => ({
      ...{ clientHost: host, clientId, memberId },
      memberAssignment: bufferOf(encodeAssignment({ partitions: assignment, userData: null })),
      memberMetadata: bufferOf(encodeSubscription({ topics, userData: null, owned: [], generation: -1, rack: null })),
    })),
  };
}
