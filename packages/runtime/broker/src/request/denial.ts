import { Errors } from "@samsa/protocol";
import type { Action } from "@samsa/security";
import type { RequestError } from "./error-responses.ts";

/** Error for a client without permission, by the type of the resource. */
export const DENIED = {
  CLUSTER: Errors.CLUSTER_AUTHORIZATION_FAILED,
  GROUP: Errors.GROUP_AUTHORIZATION_FAILED,
  TOPIC: Errors.TOPIC_AUTHORIZATION_FAILED,
  TRANSACTIONAL_ID: Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  DELEGATION_TOKEN: Errors.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
  USER: Errors.CLUSTER_AUTHORIZATION_FAILED,
} as const;

/** Error for a client that may not perform the action that a request of the API needs; Kafka explains those on the cluster. */
export function denial(api: string, { operation, resource }: Action): RequestError {
  const why = `${api} needs the permission ${operation} on the resource ${resource}.`;
  return { ...DENIED[resource], detail: resource === "CLUSTER" ? why : null };
}
