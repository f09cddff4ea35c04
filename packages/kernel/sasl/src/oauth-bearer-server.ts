import { fromUtf8, utf8 } from "@samsa/base";
import { refuseOpenly, SaslRefusal, type SaslServer, type SaslServerStep, type Verification } from "./sasl-server.ts";

const SEPARATOR = "\u0001";
const PAIR = `[A-Za-z]+=[\\x21-\\x7e \\t\\r\\n]+${SEPARATOR}`;
const MESSAGE = new RegExp(`^n,(?:a=((?:[^=,]|=2C|=3D)+))?,${SEPARATOR}((?:${PAIR})+)${SEPARATOR}$`);
const AUTHORIZATION = /^auth=bearer +([-_~+/.a-zA-Z0-9]+=*)$/i;
const NOTHING = new Uint8Array(0);

/**
 * Server of OAUTHBEARER (RFC 7628, KIP-255; `OAuthBearerSaslServer`). The caller verifies the token. SASL extensions are
 * accepted and have no effect, as those of `OAuthBearerValidatorCallbackHandler`.
 */
export class OAuthBearerServer implements SaslServer {
  #refusal: SaslRefusal | undefined;

  received(message: Uint8Array): SaslServerStep {
    // The client acknowledges a refusal with a single byte (RFC 7628, section 3.2.3).
    if (this.#refusal !== undefined) throw this.#refusal;
    const [, authorizationId = "", pairs = ""] = MESSAGE.exec(fromUtf8(message)) ?? [];
    const tokens = pairs.split(SEPARATOR).flatMap(pair => AUTHORIZATION.exec(pair)?.[1] ?? []);
    const [token] = tokens;
    if (token === undefined || tokens.length > 1) throw new SaslRefusal("Invalid OAUTHBEARER client first message");
    const id = authorizationId.replaceAll("=2C", ",").replaceAll("=3D", "=");
    return { type: "verify", token, verified: outcome => this.#verified(outcome, id) };
  }

  #verified(outcome: Verification, authorizationId: string): SaslServerStep {
    if ("refused" in outcome) {
      const told = JSON.stringify({ status: outcome.refused });
      this.#refusal = new SaslRefusal(outcome.reason, told);
      return { type: "challenge", bytes: utf8(told) };
    }
    const { user } = outcome;
    if (authorizationId !== "" && authorizationId !== user) {
      const which = `an authorization id (${authorizationId}) that is different from the token's principal name (${user})`;
      refuseOpenly(`Authentication failed: Client requested ${which}`);
    }
    return { type: "done", bytes: NOTHING, identity: outcome };
  }
}
