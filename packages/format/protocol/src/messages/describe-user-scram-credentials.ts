/** DescribeUserScramCredentials: lists SCRAM mechanisms and iteration counts of users. */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

const userName = {
  name: string(),
};

export const describeUserScramCredentialsRequest = message(
  "DescribeUserScramCredentialsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    users: array(userName, { nullable: true }),
  },
);
export type DescribeUserScramCredentialsRequest = Infer<typeof describeUserScramCredentialsRequest>;

export const describeUserScramCredentialsResponse = message(
  "DescribeUserScramCredentialsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
    results: array({
      user: string(),
      errorCode: i16(),
      errorMessage: string({ nullable: true }),
      credentialInfos: array({
        mechanism: i8(),
        iterations: i32(),
      }),
    }),
  },
);
export type DescribeUserScramCredentialsResponse = Infer<typeof describeUserScramCredentialsResponse>;
