/**
 * RenewDelegationToken: extends the expiry time of a delegation token.
 *
 * Version 2: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { bytes, i16, i32, i64, type Infer } from "../codec/schema.ts";

export const renewDelegationTokenRequest = message(
  "RenewDelegationTokenRequest",
  { versions: [1, 2], flexible: 2 },
  {
    hmac: bytes(),
    renewPeriodMs: i64(),
  },
);
export type RenewDelegationTokenRequest = Infer<typeof renewDelegationTokenRequest>;

export const renewDelegationTokenResponse = message(
  "RenewDelegationTokenResponse",
  { versions: [1, 2], flexible: 2 },
  {
    errorCode: i16(),
    expiryTimestampMs: i64(),
    throttleTimeMs: i32(),
  },
);
export type RenewDelegationTokenResponse = Infer<typeof renewDelegationTokenResponse>;
