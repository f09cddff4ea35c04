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
import type { TokenSecret } from "@samsa/sasl";
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

/** CreateDelegationToken (`DelegationTokenControlManager.createDelegationToken`). */
export function createDelegationToken(
  context: DecisionContext,
  request: AskedBy<CreateDelegationTokenRequest>,
): Decision<CreateDelegationTokenResponse> {
  const { requester, renewers, maxLifetimeMs, ownerPrincipalName } = request;
  const now = context.draw.time;
  const isOwn = ownerPrincipalName === null || ownerPrincipalName === "";
  const owner = isOwn
    ? { type: USER, name: requester }
    : { type: request.ownerPrincipalType ?? USER, name: ownerPrincipalName };
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

function tokenOf(secret: TokenSecret, { delegationTokens }: MetadataImage, hmac: Uint8Array) {
  const id = secret.idOf(hmac, delegationTokens);
  return id === undefined ? undefined : delegationTokens.get(id);
}

/** The owner of a token and its renewers may change it. */
function mayChange({ owner, renewers }: DelegationTokenRecord, requester: string): boolean {
  const principal = `${USER}:${requester}`;
  return owner === principal || renewers.includes(principal);
}

/** RenewDelegationToken (`DelegationTokenControlManager.renewDelegationToken`). */
export function renewDelegationToken(
  context: DecisionContext,
  { requester, hmac, renewPeriodMs }: AskedBy<RenewDelegationTokenRequest>,
): Decision<RenewDelegationTokenResponse> {
  const now = context.draw.time;
  const tokens = enabled(context);
  if (typeof tokens === "string") return refusedChange(tokens);
  const token = tokenOf(tokens.secret, context.image, hmac);
  if (token === undefined) return refusedChange("DELEGATION_TOKEN_NOT_FOUND");
  if (isOver(token, now)) return refusedChange("DELEGATION_TOKEN_EXPIRED");
  if (!mayChange(token, requester)) return refusedChange("DELEGATION_TOKEN_OWNER_MISMATCH");
  const until = least(token.maxTimestamp, sum(now, within(tokens.renewMs, renewPeriodMs)));
  return changed(withExpiry(token, until), until);
}

/** ExpireDelegationToken (`DelegationTokenControlManager.expireDelegationToken`); a negative time ends the token now. */
export function expireDelegationToken(
  context: DecisionContext,
  { requester, hmac, expiryTimePeriodMs }: AskedBy<ExpireDelegationTokenRequest>,
): Decision<ExpireDelegationTokenResponse> {
  const now = context.draw.time;
  const tokens = enabled(context);
  if (typeof tokens === "string") return refusedChange(tokens);
  const token = tokenOf(tokens.secret, context.image, hmac);
  if (token === undefined) return refusedChange("DELEGATION_TOKEN_NOT_FOUND");
  if (!mayChange(token, requester)) return refusedChange("DELEGATION_TOKEN_OWNER_MISMATCH");
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
