import { operationBits } from "./authorizer.ts";

/**
 * Authorized operations if nothing is forbidden, as bits `1 << AclOperation.code`. Descriptions of topics, the cluster
 * and groups include them on request.
 */
export const ALLOWED = {
  topic: operationBits("TOPIC"),
  cluster: operationBits("CLUSTER"),
  group: operationBits("GROUP"),
} as const;

/** Adds authorized operations to groups if the request asks for them; groups with an error get none. */
export function withOperations<G extends { readonly errorCode: number }>(
  groups: readonly G[],
  isAsked: boolean,
): (G & { readonly authorizedOperations?: number })[] {
  return groups.map(group =>
    isAsked && group.errorCode === 0 ? { ...group, authorizedOperations: ALLOWED.group } : group,
  );
}

/** Value of authorized operations if the request does not ask for them. */
export const NOT_ASKED = -2147483648;
