import { ZERO_UUID } from "@samsa/base";
import { type MixedNode, until } from "@samsa/interop";
import type { Stage } from "./stage.ts";

async function quorum(stage: Stage) {
  const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }];
  const { topics: answers } = await stage.ask(stage.anyone.id, "DescribeQuorum", 2, { topics });
  const state = answers[0]?.partitions[0];
  if (state === undefined || state.errorCode !== 0) throw new Error(`no quorum: ${state?.errorCode}`);
  return state;
}

/** Ids of the voters, in order. */
export const voterIds = async (stage: Stage): Promise<number[]> =>
  (await quorum(stage)).currentVoters.map(({ replicaId }) => replicaId).toSorted((a, b) => a - b);

/** Adds a voter; a request that is lost with a killed controller is sent again. */
export async function addVoter(stage: Stage, node: MixedNode): Promise<void> {
  const [host = "", port] = (node.controller ?? "").split(":");
  await until(`node ${node.id} is a voter`, async () => {
    if ((await voterIds(stage)).includes(node.id)) return true;
    const { observers } = await quorum(stage);
    const found = observers.find(({ replicaId }) => replicaId === node.id);
    if (found === undefined) return false;
    await stage.ask(stage.anyone.id, "AddRaftVoter", 0, {
      clusterId: null,
      timeoutMs: 4000,
      voterId: node.id,
      voterDirectoryId: found.replicaDirectoryId,
      listeners: [{ name: "CONTROLLER", host, port: Number(port) }],
    });
    return false;
  });
}

/** Removes a voter; a request that is lost is sent again. */
export async function removeVoter(stage: Stage, id: number): Promise<void> {
  await until(`node ${id} is no voter`, async () => {
    const voter = (await quorum(stage)).currentVoters.find(({ replicaId }) => replicaId === id);
    if (voter === undefined) return true;
    const voterDirectoryId = voter.replicaDirectoryId ?? ZERO_UUID;
    await stage.ask(stage.anyone.id, "RemoveRaftVoter", 0, { clusterId: null, voterId: id, voterDirectoryId });
    return false;
  });
}
