/** Envelope: forwards a client's request to the active controller, with the client's principal and address. */
import { message } from "../codec/message.ts";
import { bytes, i16, type Infer } from "../codec/schema.ts";

export const envelopeRequest = message(
  "EnvelopeRequest",
  { versions: [0, 0], flexible: 0 },
  {
    requestData: bytes(),
    requestPrincipal: bytes({ nullable: true }),
    clientHostAddress: bytes(),
  },
);
export type EnvelopeRequest = Infer<typeof envelopeRequest>;

export const envelopeResponse = message(
  "EnvelopeResponse",
  { versions: [0, 0], flexible: 0 },
  {
    responseData: bytes({ nullable: true, default: null }),
    errorCode: i16(),
  },
);
export type EnvelopeResponse = Infer<typeof envelopeResponse>;
