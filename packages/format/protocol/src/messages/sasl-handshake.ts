/**
 * SaslHandshake: chooses the mechanism of a SASL authentication.
 *
 * Version 1: The authentication continues with SaslAuthenticate requests.
 */
import { message } from "../codec/message.ts";
import { array, i16, type Infer, string } from "../codec/schema.ts";

export const saslHandshakeRequest = message(
  "SaslHandshakeRequest",
  { versions: [0, 1] },
  {
    mechanism: string(),
  },
);
export type SaslHandshakeRequest = Infer<typeof saslHandshakeRequest>;

export const saslHandshakeResponse = message(
  "SaslHandshakeResponse",
  { versions: [0, 1] },
  {
    errorCode: i16(),
    mechanisms: array(string()),
  },
);
export type SaslHandshakeResponse = Infer<typeof saslHandshakeResponse>;
