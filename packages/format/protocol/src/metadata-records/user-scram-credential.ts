/** UserScramCredentialRecord: a SCRAM credential of a user was set. */
import { message } from "../codec/message.ts";
import { bytes, i32, i8, type Infer, string } from "../codec/schema.ts";

export const userScramCredentialRecord = message(
  "UserScramCredentialRecord",
  { versions: [0, 0], flexible: 0 },
  {
    name: string(),
    mechanism: i8(),
    salt: bytes(),
    storedKey: bytes(),
    serverKey: bytes(),
    iterations: i32(),
  },
);
export type UserScramCredentialRecord = Infer<typeof userScramCredentialRecord>;
