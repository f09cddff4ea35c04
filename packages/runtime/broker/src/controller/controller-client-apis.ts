import { type ApiName, Errors } from "@samsa/protocol";
import { describedConfigs } from "../metadata/described-configs.ts";
import { EACH_DESCRIBED_CONFIG } from "../request/config-permissions.ts";
import { saslAuthenticate, saslHandshake } from "../request/sasl.ts";
import { describeAclsOf } from "../request/acls.ts";
import { type AnswerableApi, apiRow, type Columns, DESCRIBE_CLUSTER } from "../request/api-row.ts";
import { requesterOf } from "../request/error-responses.ts";
import type { Handler } from "../request/handler.ts";
import type { ControllerContext, ControllerParts, ControllerRow } from "./controller-row.ts";

type Served<N extends ApiName> = Handler<N, ControllerParts, ControllerContext>;

function row<N extends AnswerableApi>(name: N, handler: Served<NoInfer<N>>, columns: Columns<N> = {}): ControllerRow {
  return apiRow<N, ControllerParts, ControllerContext>(name, handler, columns);
}

/** DescribeConfigs of this controller, of topics and of the cluster (KIP-919). */
const describeConfigs: Served<"DescribeConfigs"> = ({ nodeId, settings, image }, request, _context, reply) => {
  reply(describedConfigs({ nodeId, settings, image: image() }, request));
};

const describeAcls: Served<"DescribeAcls"> = ({ config, image }, request, context, reply) => {
  describeAclsOf({ image: image(), config }, request, context, reply);
};

/** Error of requests for delegation tokens, and the times with it: no secret key is set (`allowTokenRequests`). */
function tokenFault({ isForwarded }: ControllerContext): { readonly errorCode: number; readonly time: number } {
  // A broker has asked its client for more than this connection could.
  return isForwarded
    ? { errorCode: Errors.DELEGATION_TOKEN_AUTH_DISABLED.code, time: 0 }
    : { errorCode: Errors.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code, time: -1 };
}

/** Error of a request for a token of another user (`CREATE_TOKENS`, KIP-373). */
const UNAUTHORIZED_TOKEN = { errorCode: Errors.DELEGATION_TOKEN_AUTHORIZATION_FAILED.code, time: -1 };

const createDelegationToken: Served<"CreateDelegationToken"> = (_parts, request, context, reply) => {
  const requester = { type: "User", name: context.user };
  const { ownerPrincipalType, ownerPrincipalName } = request;
  const isOwn = ownerPrincipalName === null || ownerPrincipalName === "";
  const owner = isOwn ? requester : { type: ownerPrincipalType ?? requester.type, name: ownerPrincipalName };
  const fault = tokenFault(context);
  const isRequester = owner.type === requester.type && owner.name === requester.name;
  const mayCreate = isRequester || context.access.permits("CREATE_TOKENS", "USER", `${owner.type}:${owner.name}`);
  const { errorCode, time } = context.isForwarded && !mayCreate ? UNAUTHORIZED_TOKEN : fault;
  reply({
    errorCode,
    principalType: owner.type,
    principalName: owner.name,
    ...requesterOf(requester, context.version),
    issueTimestampMs: time,
    expiryTimestampMs: time,
    maxTimestampMs: time,
    tokenId: "",
    hmac: new Uint8Array(0),
    throttleTimeMs: 0,
  });
};

/** Renewal or expiry of a token. */
const changeToken: Served<"RenewDelegationToken"> & Served<"ExpireDelegationToken"> = (
  _parts: ControllerParts,
  _request: object,
  context: ControllerContext,
  reply: (response: { errorCode: number; expiryTimestampMs: number; throttleTimeMs: number }) => void,
) => {
  const { errorCode, time } = tokenFault(context);
  reply({ errorCode, expiryTimestampMs: time, throttleTimeMs: 0 });
};

/**
 * APIs for clients of controllers that the controller does not decide on. DescribeDelegationToken and
 * DescribeUserScramCredentials are among Kafka's schemas for controllers, but `ControllerApis` answers neither.
 */
export const CLIENT_APIS: readonly ControllerRow[] = [
  row("DescribeConfigs", describeConfigs, EACH_DESCRIBED_CONFIG),
  row("DescribeAcls", describeAcls, DESCRIBE_CLUSTER),
  row("SaslHandshake", saslHandshake),
  row("SaslAuthenticate", saslAuthenticate),
  row("CreateDelegationToken", createDelegationToken),
  row("RenewDelegationToken", changeToken),
  row("ExpireDelegationToken", changeToken),
];
