import type { CreateDelegationTokenRequest } from "@samsa/protocol";
import { Errors } from "@samsa/protocol";
import type { Access } from "./access.ts";
import { requesterOf } from "./error-responses.ts";

/** Principal of a user or of another type. */
interface Principal {
  readonly type: string;
  readonly name: string;
}

/** Client that asks for a token. */
interface TokenClient {
  readonly user: string;
  readonly version: number;
  readonly allowsTokens: boolean;
  readonly access: Access;
}

const USER = "User";

/** Owner of the token that is asked for: the client itself unless another one is named. */
function ownerOf({ ownerPrincipalType, ownerPrincipalName }: CreateDelegationTokenRequest, user: string): Principal {
  const isOwn = ownerPrincipalName === null || ownerPrincipalName === "";
  return isOwn ? { type: USER, name: user } : { type: ownerPrincipalType ?? USER, name: ownerPrincipalName };
}

/** Refusal of CreateDelegationToken before the controller decides (`KafkaApis.handleCreateTokenRequest`). */
export function creationRefusal(request: CreateDelegationTokenRequest, client: TokenClient) {
  const requester = { type: USER, name: client.user };
  const owner = ownerOf(request, client.user);
  const refused = ({ code: errorCode }: { readonly code: number }) => ({
    errorCode,
    principalType: owner.type,
    principalName: owner.name,
    ...requesterOf(requester, client.version),
    ...{ issueTimestampMs: -1, expiryTimestampMs: -1, maxTimestampMs: -1 },
    tokenId: "",
    hmac: new Uint8Array(0),
    throttleTimeMs: 0,
  });
  if (!client.allowsTokens) return refused(Errors.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
  const isRequester = owner.type === requester.type && owner.name === requester.name;
  if (!isRequester && !client.access.permits("CREATE_TOKENS", "USER", `${owner.type}:${owner.name}`)) {
    return refused(Errors.DELEGATION_TOKEN_AUTHORIZATION_FAILED);
  }
  return undefined;
}

/** Refusal of RenewDelegationToken and ExpireDelegationToken (`KafkaApis.allowTokenRequests`). */
export function changeRefusal({ allowsTokens }: Pick<TokenClient, "allowsTokens">) {
  if (allowsTokens) return undefined;
  const { code: errorCode } = Errors.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
  return { errorCode, expiryTimestampMs: -1, throttleTimeMs: 0 };
}
