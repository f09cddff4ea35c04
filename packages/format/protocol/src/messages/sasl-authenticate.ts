/**
 * SaslAuthenticate: exchanges the tokens of a SASL authentication.
 *
 * Version 1: Adds the session lifetime.
 * Version 2: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { bytes, i16, i64, type Infer, string } from "../codec/schema.ts";

export const saslAuthenticateRequest = message(
  "SaslAuthenticateRequest",
  { versions: [0, 2], flexible: 2 },
  {
    authBytes: bytes(),
  },
);
export type SaslAuthenticateRequest = Infer<typeof saslAuthenticateRequest>;

export const saslAuthenticateResponse = message(
  "SaslAuthenticateResponse",
  { versions: [0, 2], flexible: 2 },
  {
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
    authBytes: bytes(),
    sessionLifetimeMs: i64({ since: 1, default: 0, ignorable: true }),
  },
);
export type SaslAuthenticateResponse = Infer<typeof saslAuthenticateResponse>;
