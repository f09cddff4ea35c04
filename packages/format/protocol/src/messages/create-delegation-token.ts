/**
 * CreateDelegationToken: creates a delegation token for a user.
 *
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds the owner to the request; the response has owner and requester.
 */
import { message } from "../codec/message.ts";
import { array, bytes, i16, i32, i64, type Infer, string } from "../codec/schema.ts";

export const createDelegationTokenRequest = message(
  "CreateDelegationTokenRequest",
  { versions: [1, 3], flexible: 2 },
  {
    ownerPrincipalType: string({ since: 3, nullable: true }),
    ownerPrincipalName: string({ since: 3, nullable: true }),
    renewers: array({
      principalType: string(),
      principalName: string(),
    }),
    maxLifetimeMs: i64(),
  },
);
export type CreateDelegationTokenRequest = Infer<typeof createDelegationTokenRequest>;

export const createDelegationTokenResponse = message(
  "CreateDelegationTokenResponse",
  { versions: [1, 3], flexible: 2 },
  {
    errorCode: i16(),
    principalType: string(),
    principalName: string(),
    tokenRequesterPrincipalType: string({ since: 3 }),
    tokenRequesterPrincipalName: string({ since: 3 }),
    issueTimestampMs: i64(),
    expiryTimestampMs: i64(),
    maxTimestampMs: i64(),
    tokenId: string(),
    hmac: bytes(),
    throttleTimeMs: i32(),
  },
);
export type CreateDelegationTokenResponse = Infer<typeof createDelegationTokenResponse>;
