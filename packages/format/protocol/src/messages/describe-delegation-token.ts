/**
 * DescribeDelegationToken: lists delegation tokens.
 *
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds the requester to the response.
 */
import { message } from "../codec/message.ts";
import { array, bytes, i16, i32, i64, type Infer, string } from "../codec/schema.ts";

const describeDelegationTokenOwner = {
  principalType: string(),
  principalName: string(),
};

export const describeDelegationTokenRequest = message(
  "DescribeDelegationTokenRequest",
  { versions: [1, 3], flexible: 2 },
  {
    owners: array(describeDelegationTokenOwner, { nullable: true }),
  },
);
export type DescribeDelegationTokenRequest = Infer<typeof describeDelegationTokenRequest>;

export const describeDelegationTokenResponse = message(
  "DescribeDelegationTokenResponse",
  { versions: [1, 3], flexible: 2 },
  {
    errorCode: i16(),
    tokens: array({
      principalType: string(),
      principalName: string(),
      tokenRequesterPrincipalType: string({ since: 3 }),
      tokenRequesterPrincipalName: string({ since: 3 }),
      issueTimestamp: i64(),
      expiryTimestamp: i64(),
      maxTimestamp: i64(),
      tokenId: string(),
      hmac: bytes(),
      renewers: array({
        principalType: string(),
        principalName: string(),
      }),
    }),
    throttleTimeMs: i32(),
  },
);
export type DescribeDelegationTokenResponse = Infer<typeof describeDelegationTokenResponse>;
