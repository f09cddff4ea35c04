/** AlterUserScramCredentials: sets or deletes SCRAM credentials of users. */
import { message } from "../codec/message.ts";
import { array, bytes, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const alterUserScramCredentialsRequest = message(
  "AlterUserScramCredentialsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    deletions: array({
      name: string(),
      mechanism: i8(),
    }),
    upsertions: array({
      name: string(),
      mechanism: i8(),
      iterations: i32(),
      salt: bytes(),
      saltedPassword: bytes(),
    }),
  },
);
export type AlterUserScramCredentialsRequest = Infer<typeof alterUserScramCredentialsRequest>;

export const alterUserScramCredentialsResponse = message(
  "AlterUserScramCredentialsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    results: array({
      user: string(),
      errorCode: i16(),
      errorMessage: string({ nullable: true }),
    }),
  },
);
export type AlterUserScramCredentialsResponse = Infer<typeof alterUserScramCredentialsResponse>;
