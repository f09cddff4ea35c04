import { isTokenOf } from "@samsa/controller";
import { type DelegationTokenRecord, Errors } from "@samsa/protocol";
import { forwarded } from "../../forwarding/forwarding.ts";
import { requesterOf } from "../../request/error-responses.ts";
import type { Handler, ItemOf, RequestOf, ResponseOf } from "../../request/handler.ts";
import type { RequestContext } from "../../request/request-context.ts";
import { changeRefusal, creationRefusal, renewerRefusal } from "../../request/token-requests.ts";
import type { BrokerParts } from "../parts.ts";

type Described = ItemOf<"DescribeDelegationToken", "tokens">;

type Changing = "CreateDelegationToken" | "RenewDelegationToken" | "ExpireDelegationToken";

/** Handler that forwards to the controller what `refusal` lets through. */
function guarded<N extends Changing>(
  api: N,
  refusal: (request: RequestOf<N>, context: RequestContext) => ResponseOf<N> | undefined,
): Handler<N, Pick<BrokerParts, "channel">> {
  const forward = forwarded(api);
  return (parts, request, context, reply) => {
    const refused = refusal(request, context);
    if (refused === undefined) return forward(parts, request, context, reply);
    reply(refused as Parameters<typeof reply>[0]);
  };
}

/** CreateDelegationToken. */
export const createDelegationToken = guarded(
  "CreateDelegationToken",
  (request, context) => creationRefusal(request, context) ?? renewerRefusal(request, context),
);

/** RenewDelegationToken. */
export const renewDelegationToken = guarded("RenewDelegationToken", (_, context) => changeRefusal(context));

/** ExpireDelegationToken. */
export const expireDelegationToken = guarded("ExpireDelegationToken", (_, context) => changeRefusal(context));

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
  const isShown = (token: DelegationTokenRecord): boolean => {
    if (wanted !== undefined && !wanted.some(principal => isTokenOf(token, principal))) return false;
    return (
      isTokenOf(token, own) ||
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
