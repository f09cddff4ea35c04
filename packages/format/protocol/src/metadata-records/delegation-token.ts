/** DelegationTokenRecord: a delegation token was created or changed. */
import { message } from "../codec/message.ts";
import { array, i64, type Infer, string } from "../codec/schema.ts";

export const delegationTokenRecord = message(
  "DelegationTokenRecord",
  { versions: [0, 0], flexible: 0 },
  {
    owner: string(),
    requester: string(),
    renewers: array(string()),
    issueTimestamp: i64(),
    maxTimestamp: i64(),
    expirationTimestamp: i64(),
    tokenId: string(),
  },
);
export type DelegationTokenRecord = Infer<typeof delegationTokenRecord>;
