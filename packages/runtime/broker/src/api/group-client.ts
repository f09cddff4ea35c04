import type { RequestContext } from "../request/request-context.ts";

/** Client as the coordinator of its group knows it: patterns match only topics that it may describe. */
export function groupClient({ clientId: id, peer, access }: RequestContext) {
  const client = { id, host: `/${peer.host}` };
  if (access.isFree) return client;
  return { ...client, sees: (topic: string): boolean => access.shows("DESCRIBE", "TOPIC", topic) };
}
