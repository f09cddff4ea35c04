import { Errors } from "@samsa/protocol";
import type { Action } from "@samsa/security";
import type { Access } from "./access.ts";
import type { AnyReply, ApiShape } from "./api-row.ts";
import { denial } from "./denial.ts";
import { divided } from "./resource-list.ts";

/** Request of a client, and what it may do. */
export interface AskedRequest {
  readonly request: object;
  readonly version: number;
  readonly access: Access;
  /** Closes the connection of a client that expects no response. */
  readonly close: (reason: string) => void;
}

/** Calls the handler of an API with what its client may ask for, and a reply that answers for the rest. */
type Handle = (request: object, reply: AnyReply) => void;

function refusedAction(row: ApiShape, { request, version, access }: AskedRequest): Action | undefined {
  const action = row.action(request, version);
  if (action !== undefined && !access.allows(action)) return action;
  const second = row.also(request, version);
  return second !== undefined && !access.allows(second) ? second : undefined;
}

/** Checks the permissions that the row of an API declares, and handles what is permitted (`AuthHelper`). */
export function authorized(row: ApiShape, asked: AskedRequest, reply: AnyReply, handle: Handle): void {
  const { request, version, access } = asked;
  if (access.isFree) return handle(request, reply);
  const refused = refusedAction(row, asked);
  if (refused !== undefined) {
    const response = row.failure(request, denial(row.name, refused), version);
    return response === null ? asked.close("a request without permission expects no response") : reply(response);
  }
  const parts = row.each && divided(row.each, request, access, { failure: row.failure, version });
  if (parts === undefined) return handle(request, reply);
  if (parts.permitted === undefined) return reply(parts.answered());
  handle(parts.permitted, (response, sent) => reply(response && parts.answered(response), sent));
}

/** Answers a request of an API that is switched off. */
export function switchedOff(row: ApiShape, request: object, version: number): object | null {
  return row.failure(request, { ...Errors.UNSUPPORTED_VERSION, detail: null }, version);
}
