import { tokenOwner } from "@samsa/controller";
import type { CreateDelegationTokenRequest } from "@samsa/protocol";
import { Errors } from "@samsa/protocol";
import type { Access } from "./access.ts";
import { requesterOf } from "./error-responses.ts";

/** Client that asks for a token. */
interface TokenClient {
  readonly user: string;
  readonly version: number;
  readonly allowsTokens: boolean;
  readonly access: Access;
}

const USER = "User";

/** Response to CreateDelegationToken with an error. */
function refusedCreation(
  request: CreateDelegationTokenRequest,
  { user, version }: TokenClient,
  { code: errorCode }: { readonly code: number },
) {
  const { type: principalType, name: principalName } = tokenOwner(request, user);
  return {
    ...{ errorCode, principalType, principalName },
    ...requesterOf({ type: USER, name: user }, version),
    ...{ issueTimestampMs: -1, expiryTimestampMs: -1, maxTimestampMs: -1 },
    ...{ tokenId: "", hmac: new Uint8Array(0), throttleTimeMs: 0 },
  };
}

/** Refusal of CreateDelegationToken before the controller decides, by a broker or a controller. */
export function creationRefusal(request: CreateDelegationTokenRequest, client: TokenClient) {
  const refused = (error: { readonly code: number }) => refusedCreation(request, client, error);
  if (!client.allowsTokens) return refused(Errors.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
  const { type, name } = tokenOwner(request, client.user);
  const isRequester = type === USER && name === client.user;
  if (!isRequester && !client.access.permits("CREATE_TOKENS", "USER", `${type}:${name}`)) {
    return refused(Errors.DELEGATION_TOKEN_AUTHORIZATION_FAILED);
  }
  return undefined;
}

/** Refusal of renewers that are not users, by a broker (`KafkaApis.handleCreateTokenRequest`). */
export function renewerRefusal(request: CreateDelegationTokenRequest, client: TokenClient) {
  const areUsers = request.renewers.every(({ principalType }) => principalType === USER);
  return areUsers ? undefined : refusedCreation(request, client, Errors.INVALID_PRINCIPAL_TYPE);
}

/** Refusal of RenewDelegationToken and ExpireDelegationToken (`KafkaApis.allowTokenRequests`). */
export function changeRefusal({ allowsTokens }: Pick<TokenClient, "allowsTokens">) {
  if (allowsTokens) return undefined;
  const { code: errorCode } = Errors.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
  return { errorCode, expiryTimestampMs: -1, throttleTimeMs: 0 };
}
