import { type Int64, nearestNumber } from "@samsa/base";
import { METADATA_VERSION, type MetadataImage, metadataVersionOf } from "@samsa/metadata";
import {
  type CreateDelegationTokenRequest,
  type CreateDelegationTokenResponse,
  type DelegationTokenRecord,
  type ErrorName,
  Errors,
  type ExpireDelegationTokenRequest,
  type ExpireDelegationTokenResponse,
  type MetadataRecord,
  metadataRecord,
  type RenewDelegationTokenRequest,
  type RenewDelegationTokenResponse,
} from "@samsa/protocol";
import type { Decision, DecisionContext, TokenSettings } from "../decision/decision.ts";

/** A request with the name of the user who sends it. */
export type AskedBy<R> = R & { readonly requester: string };

const USER = "User";
const LONG_MAX = 2n ** 63n - 1n;
const NO_BYTES = new Uint8Array(0);

/** Sum of two times; that of very long ones is as late as can be. */
function sum(a: number, b: number): Int64 {
  return Number.isSafeInteger(a + b) ? a + b : LONG_MAX;
}

const least = (a: Int64, b: Int64): Int64 => (a < b ? a : b);

/** Length of time that a request asks for, within a limit. */
function within(limit: number, asked: Int64): number {
  return asked > 0 ? Math.min(limit, nearestNumber(asked)) : limit;
}

/** Settings of tokens, or the error of a cluster that has none. */
function enabled({ settings, image }: DecisionContext): TokenSettings | ErrorName {
  if (settings.tokens === undefined) return "DELEGATION_TOKEN_AUTH_DISABLED";
  return metadataVersionOf(image) < METADATA_VERSION.delegationTokens ? "UNSUPPORTED_VERSION" : settings.tokens;
}

/** True once a token is over; the last millisecond counts. */
export function isOver({ maxTimestamp, expirationTimestamp }: DelegationTokenRecord, now: number): boolean {
  return maxTimestamp < now || expirationTimestamp < now;
}

/** Owner of the token that a request asks for: `requester` itself unless it names another one. */
export function tokenOwner(
  request: Pick<CreateDelegationTokenRequest, "ownerPrincipalType" | "ownerPrincipalName">,
  requester: string,
): { readonly type: string; readonly name: string } {
  const { ownerPrincipalType, ownerPrincipalName } = request;
  if (ownerPrincipalName === null || ownerPrincipalName === "") return { type: USER, name: requester };
  return { type: ownerPrincipalType ?? USER, name: ownerPrincipalName };
}

/** True for the owner of a token and for its renewers, each as in User:alice. */
export function isTokenOf({ owner, renewers }: DelegationTokenRecord, principal: string): boolean {
  return owner === principal || renewers.includes(principal);
}

/** CreateDelegationToken (`DelegationTokenControlManager.createDelegationToken`). */
export function createDelegationToken(
  context: DecisionContext,
  request: AskedBy<CreateDelegationTokenRequest>,
): Decision<CreateDelegationTokenResponse> {
  const { requester, renewers, maxLifetimeMs } = request;
  const now = context.draw.time;
  const owner = tokenOwner(request, requester);
  const reply = {
    errorCode: 0,
    principalType: owner.type,
    principalName: owner.name,
    tokenRequesterPrincipalType: USER,
    tokenRequesterPrincipalName: requester,
    issueTimestampMs: 0,
    expiryTimestampMs: 0,
    maxTimestampMs: 0,
    tokenId: "",
    hmac: NO_BYTES,
    throttleTimeMs: 0,
  } satisfies CreateDelegationTokenResponse;
  const refused = (error: ErrorName) => ({ records: [], reply: { ...reply, errorCode: Errors[error].code } });
  const tokens = enabled(context);
  if (typeof tokens === "string") return refused(tokens);
  if (renewers.some(({ principalType }) => principalType !== USER)) return refused("INVALID_PRINCIPAL_TYPE");
  const maxTimestamp = sum(now, within(tokens.maxLifetimeMs, maxLifetimeMs));
  const expirationTimestamp = least(maxTimestamp, sum(now, tokens.renewMs));
  const tokenId = context.draw.uuid();
  const record = metadataRecord("DelegationTokenRecord", 0, {
    owner: `${owner.type}:${owner.name}`,
    requester: `${USER}:${requester}`,
    renewers: renewers.map(({ principalType, principalName }) => `${principalType}:${principalName}`),
    issueTimestamp: now,
    maxTimestamp,
    expirationTimestamp,
    tokenId,
  });
  const times = { issueTimestampMs: now, expiryTimestampMs: expirationTimestamp, maxTimestampMs: maxTimestamp };
  return { records: [record], reply: { ...reply, ...times, tokenId, hmac: tokens.secret.hmacOf(tokenId) } };
}

type Changed = Decision<RenewDelegationTokenResponse & ExpireDelegationTokenResponse>;

function refusedChange(error: ErrorName): Changed {
  return { records: [], reply: { errorCode: Errors[error].code, expiryTimestampMs: 0, throttleTimeMs: 0 } };
}

function changed(record: MetadataRecord, expiryTimestampMs: Int64): Changed {
  return { records: [record], reply: { errorCode: 0, expiryTimestampMs, throttleTimeMs: 0 } };
}

const withExpiry = (token: DelegationTokenRecord, expirationTimestamp: Int64): MetadataRecord =>
  metadataRecord("DelegationTokenRecord", 0, { ...token, expirationTimestamp });

/** Token that a request wants to change, and the settings of tokens; or the error of the request. */
function changeable(
  context: DecisionContext,
  hmac: Uint8Array,
): { readonly tokens: TokenSettings; readonly token: DelegationTokenRecord } | ErrorName {
  const tokens = enabled(context);
  if (typeof tokens === "string") return tokens;
  const { delegationTokens } = context.image;
  const token = delegationTokens.get(tokens.secret.idOf(hmac, delegationTokens) ?? "");
  return token === undefined ? "DELEGATION_TOKEN_NOT_FOUND" : { tokens, token };
}

/** RenewDelegationToken (`DelegationTokenControlManager.renewDelegationToken`). */
export function renewDelegationToken(
  context: DecisionContext,
  { requester, hmac, renewPeriodMs }: AskedBy<RenewDelegationTokenRequest>,
): Decision<RenewDelegationTokenResponse> {
  const now = context.draw.time;
  const found = changeable(context, hmac);
  if (typeof found === "string") return refusedChange(found);
  const { tokens, token } = found;
  if (isOver(token, now)) return refusedChange("DELEGATION_TOKEN_EXPIRED");
  if (!isTokenOf(token, `${USER}:${requester}`)) return refusedChange("DELEGATION_TOKEN_OWNER_MISMATCH");
  const until = least(token.maxTimestamp, sum(now, within(tokens.renewMs, renewPeriodMs)));
  return changed(withExpiry(token, until), until);
}

/** ExpireDelegationToken (`DelegationTokenControlManager.expireDelegationToken`); a negative time ends the token now. */
export function expireDelegationToken(
  context: DecisionContext,
  { requester, hmac, expiryTimePeriodMs }: AskedBy<ExpireDelegationTokenRequest>,
): Decision<ExpireDelegationTokenResponse> {
  const now = context.draw.time;
  const found = changeable(context, hmac);
  if (typeof found === "string") return refusedChange(found);
  const { token } = found;
  if (!isTokenOf(token, `${USER}:${requester}`)) return refusedChange("DELEGATION_TOKEN_OWNER_MISMATCH");
  if (expiryTimePeriodMs < 0) {
    return changed(metadataRecord("RemoveDelegationTokenRecord", 0, { tokenId: token.tokenId }), now);
  }
  if (isOver(token, now)) return refusedChange("DELEGATION_TOKEN_EXPIRED");
  const until = least(token.maxTimestamp, sum(now, nearestNumber(expiryTimePeriodMs)));
  return changed(withExpiry(token, until), until);
}

/** Removal of tokens that are over, `most` of them at a time. */
export function overTokens({ delegationTokens }: MetadataImage, now: number, most: number): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  for (const token of delegationTokens.values()) {
    if (records.length === most) break;
    if (!isOver(token, now)) continue;
    records.push(metadataRecord("RemoveDelegationTokenRecord", 0, { tokenId: token.tokenId }));
  }
  return records;
}
