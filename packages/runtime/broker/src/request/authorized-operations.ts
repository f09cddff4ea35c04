import { CLUSTER_NAME } from "@samsa/security";
import type { RequestContext } from "./request-context.ts";

type Granted = Pick<RequestContext, "access">;

/** Value of authorized operations if the request does not ask for them. */
export const NOT_ASKED = -2147483648;

/** Authorized operations on the cluster, if the request asks for them; none for a client that may not describe it. */
export function clusterOperations({ access }: Granted, isAsked: boolean): number {
  if (!isAsked) return NOT_ASKED;
  return access.permitsCluster("DESCRIBE") ? access.operations("CLUSTER", CLUSTER_NAME) : 0;
}

/** Adds authorized operations to groups if the request asks for them; groups with an error get none. */
export function withOperations<G extends { readonly errorCode: number; readonly groupId: string }>(
  groups: readonly G[],
  { access }: Granted,
  isAsked: boolean,
): (G & { readonly authorizedOperations?: number })[] {
  return groups.map(group =>
    isAsked && group.errorCode === 0
      ? { ...group, authorizedOperations: access.operations("GROUP", group.groupId) }
      : group,
  );
}
