/**
 * ExpireDelegationToken: changes the expiry time of a delegation token.
 *
 * Version 2: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { bytes, i16, i32, i64, type Infer } from "../codec/schema.ts";

export const expireDelegationTokenRequest = message(
  "ExpireDelegationTokenRequest",
  { versions: [1, 2], flexible: 2 },
  {
    hmac: bytes(),
    expiryTimePeriodMs: i64(),
  },
);
export type ExpireDelegationTokenRequest = Infer<typeof expireDelegationTokenRequest>;

export const expireDelegationTokenResponse = message(
  "ExpireDelegationTokenResponse",
  { versions: [1, 2], flexible: 2 },
  {
    errorCode: i16(),
    expiryTimestampMs: i64(),
    throttleTimeMs: i32(),
  },
);
export type ExpireDelegationTokenResponse = Infer<typeof expireDelegationTokenResponse>;
