import { Errors } from "@samsa/protocol";
import type { Handler } from "./handler.ts";

const { code: errorCode } = Errors.ILLEGAL_SASL_STATE;

/** SaslHandshake on a connection that needs no authentication, or has it behind itself. */
export const saslHandshake: Handler<"SaslHandshake", unknown, unknown> = (_parts, _request, _context, reply) =>
  reply({ errorCode, mechanisms: [] });

/** SaslAuthenticate on a connection that needs no authentication, or has it behind itself. */
export const saslAuthenticate: Handler<"SaslAuthenticate", unknown, unknown> = (_parts, _request, _context, reply) => {
  const errorMessage = "SaslAuthenticate request received after successful authentication";
  reply({ errorCode, errorMessage, authBytes: new Uint8Array(0) });
};
