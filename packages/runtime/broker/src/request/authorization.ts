import type { Logger } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { type Action, type Authorizer, AuthorizerNotReadyError } from "@samsa/security";
import { Access } from "./access.ts";
import type { AnyReply, ApiShape } from "./api-row.ts";
import { denial } from "./denial.ts";
import { dividedByPermission } from "./resource-list.ts";

/** Request of a client. */
export interface AskedRequest {
  readonly request: object;
  readonly version: number;
  readonly client: { readonly user: string; readonly host: string };
  /** Closes the connection of a client that expects no response. */
  readonly close: (reason: string) => void;
  readonly reply: AnyReply;
}

/** Calls the handler of an API with what its client may ask for, and a reply that answers for the rest. */
type Handle = (permitted: object, access: Access, reply: AnyReply) => void;

function refusedAction(row: ApiShape, { request, version }: AskedRequest, access: Access): Action | undefined {
  const action = row.action(request, version);
  if (action !== undefined && !access.allows(action)) return action;
  const second = row.also(request, version);
  return second !== undefined && !access.allows(second) ? second : undefined;
}

/**
 * Checks the permissions that the row of an API declares, handles what is permitted (`AuthHelper`), and answers if the
 * handler fails. Never throws.
 */
export function authorized(
  { authorizer, logger }: { readonly authorizer: Authorizer; readonly logger: Logger },
  row: ApiShape,
  asked: AskedRequest,
  handle: Handle,
): void {
  const { request, version, client } = asked;
  const api = row.name;
  let isReplied = false;
  const reply: AnyReply = (response, sent) => {
    isReplied = true;
    asked.reply(response, sent);
  };
  try {
    checked(row, { ...asked, reply }, new Access(authorizer, { ...client, api }), handle);
  } catch (error) {
    if (error instanceof AuthorizerNotReadyError) logger.info(error.message, { api });
    else logger.error("request failed", { api, version, error });
    if (!isReplied) reply(row.failure(request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, version));
  }
}

function checked(row: ApiShape, asked: AskedRequest, access: Access, handle: Handle): void {
  const { request, version, reply } = asked;
  if (access.isFree) return handle(request, access, reply);
  const refused = refusedAction(row, asked, access);
  if (refused !== undefined) {
    const response = row.failure(request, denial(row.name, refused), version);
    return response === null ? asked.close("a request without permission expects no response") : reply(response);
  }
  const parts = row.each && dividedByPermission(row.each, request, access, { failure: row.failure, version });
  if (parts === undefined) return handle(request, access, reply);
  if (parts.permitted === undefined) return reply(parts.answered());
  handle(parts.permitted, access, (response, sent) => reply(response && parts.answered(response), sent));
}

/** Answers a request of an API that is switched off. */
export function switchedOff(row: ApiShape, request: object, version: number): object | null {
  return row.failure(request, { ...Errors.UNSUPPORTED_VERSION, detail: null }, version);
}
