import { type DelegationTokenRecord, Errors } from "@samsa/protocol";
import { forwarded } from "../../forwarding/forwarding.ts";
import { requesterOf } from "../../request/error-responses.ts";
import type { Handler, ItemOf } from "../../request/handler.ts";
import { changeRefusal, creationRefusal } from "../../request/token-requests.ts";
import type { BrokerParts } from "../parts.ts";

type Described = ItemOf<"DescribeDelegationToken", "tokens">;

/** CreateDelegationToken: refuses what the controller need not see. */
export const createDelegationToken: Handler<"CreateDelegationToken", Pick<BrokerParts, "channel">> = (
  parts,
  request,
  context,
  reply,
) => {
  const refused = creationRefusal(request, context);
  if (refused !== undefined) return reply(refused);
  forwarded("CreateDelegationToken")(parts, request, context, reply);
};

/** RenewDelegationToken. */
export const renewDelegationToken: Handler<"RenewDelegationToken", Pick<BrokerParts, "channel">> = (
  parts,
  request,
  context,
  reply,
) => {
  const refused = changeRefusal(context);
  if (refused !== undefined) return reply(refused);
  forwarded("RenewDelegationToken")(parts, request, context, reply);
};

/** ExpireDelegationToken. */
export const expireDelegationToken: Handler<"ExpireDelegationToken", Pick<BrokerParts, "channel">> = (
  parts,
  request,
  context,
  reply,
) => {
  const refused = changeRefusal(context);
  if (refused !== undefined) return reply(refused);
  forwarded("ExpireDelegationToken")(parts, request, context, reply);
};

/**
 * DescribeDelegationToken (`KafkaApis.handleDescribeTokensRequest`): the tokens of the owners that are asked for, of which
 * the client owns or renews some, and may see others.
 */
export const describeDelegationToken: Handler<"DescribeDelegationToken", Pick<BrokerParts, "security" | "topics">> = (
  { security, topics },
  { owners },
  { access, allowsTokens, user, version },
  reply,
) => {
  const answer = (errorCode: number, tokens: readonly Described[]): void =>
    reply({ errorCode, tokens, throttleTimeMs: 0 });
  if (!allowsTokens) return answer(Errors.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code, []);
  const secret = security.tokens?.secret;
  if (secret === undefined) return answer(Errors.DELEGATION_TOKEN_AUTH_DISABLED.code, []);
  const wanted = owners?.map(({ principalType, principalName }) => `${principalType}:${principalName}`);
  const own = `User:${user}`;
  const isOf = ({ owner, renewers }: DelegationTokenRecord, principal: string): boolean =>
    owner === principal || renewers.includes(principal);
  const isShown = (token: DelegationTokenRecord): boolean => {
    if (wanted !== undefined && !wanted.some(principal => isOf(token, principal))) return false;
    return (
      isOf(token, own) ||
      access.permits("DESCRIBE", "DELEGATION_TOKEN", token.tokenId) ||
      access.permits("DESCRIBE_TOKENS", "USER", token.owner)
    );
  };
  const tokens = [...topics.image.delegationTokens.values()].filter(isShown).map((token): Described => {
    const { tokenId, issueTimestamp, maxTimestamp, expirationTimestamp } = token;
    const [owner, requester] = [principal(token.owner), principal(token.requester)];
    return {
      principalType: owner.type,
      principalName: owner.name,
      ...requesterOf(requester, version),
      ...{ issueTimestamp, maxTimestamp, expiryTimestamp: expirationTimestamp },
      tokenId,
      hmac: secret.hmacOf(tokenId),
      renewers: token.renewers.map(text => {
        const { type: principalType, name: principalName } = principal(text);
        return { principalType, principalName };
      }),
    };
  });
  answer(0, tokens);
};

/** Principal of its text, as in User:alice. */
function principal(text: string): { readonly type: string; readonly name: string } {
  const at = text.indexOf(":");
  return { type: text.slice(0, at), name: text.slice(at + 1) };
}
