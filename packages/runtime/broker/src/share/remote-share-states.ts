import type { BrokerId } from "@samsa/base";
import type { SharePartitionKey, ShareStateRequest } from "@samsa/coordinator";
import { type ApiName, errorOf, Errors } from "@samsa/protocol";
import { WireError } from "@samsa/wire";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import type { ShareStateAnswer } from "./share-state-answer.ts";

/** API of each type of request to a share coordinator. */
const API = {
  initialize: "InitializeShareGroupState",
  read: "ReadShareGroupState",
  summary: "ReadShareGroupStateSummary",
  write: "WriteShareGroupState",
  delete: "DeleteShareGroupState",
} as const satisfies Readonly<Record<ShareStateRequest["type"], ApiName>>;

/** Response of any of these APIs: each has one entry for each partition. */
interface AnyResponse {
  readonly results: readonly { readonly partitions: readonly ShareStateAnswer[] }[];
}

function failed({ code, message }: { readonly code: number; readonly message: string | null }): ShareStateAnswer {
  return { errorCode: code, errorMessage: message };
}

/**
 * Asks the share coordinator on another broker (`PersisterStateManager`). One that cannot be reached is one that is not
 * available.
 */
export async function askRemotely(
  peers: BrokerPeers,
  coordinator: BrokerId,
  { groupId, topicId }: SharePartitionKey,
  { type, body }: ShareStateRequest,
): Promise<ShareStateAnswer> {
  const request = { groupId, topics: [{ topicId, partitions: [body] }] };
  try {
    // The body is that of the API's partitions: the request's type names the API.
    const response = (await peers.call(coordinator, API[type], request as never)) as unknown as AnyResponse;
    const answer = response.results[0]?.partitions[0];
    if (answer === undefined) return failed(Errors.UNKNOWN_SERVER_ERROR);
    return {
      ...answer,
      errorMessage: answer.errorMessage ?? (answer.errorCode === 0 ? null : errorOf(answer.errorCode).message),
    };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return failed(Errors.COORDINATOR_NOT_AVAILABLE);
  }
}
