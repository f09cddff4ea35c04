import { fromUtf8, utf8 } from "@samsa/base";
import { refuseOpenly, SaslRefusal, type SaslServer, type SaslServerStep, type Verification } from "./sasl-server.ts";

const SEPARATOR = "\u0001";
const PAIRS = `(?:[A-Za-z]+=[\\x21-\\x7e \\t\\r\\n]+${SEPARATOR})+`;
const MESSAGE = new RegExp(`^n,(?:a=((?:[^=,]|=2C|=3D)+))?,${SEPARATOR}(${PAIRS})${SEPARATOR}$`);
const BEARER = /^bearer +([-_~+/.a-zA-Z0-9]+=*)$/i;
const NOTHING = new Uint8Array(0);

/** Server of OAUTHBEARER (RFC 7628, KIP-255; `OAuthBearerSaslServer`). The caller verifies the token. */
export class OAuthBearerServer implements SaslServer {
  #authorizationId = "";
  #refusal: string | undefined;

  received(message: Uint8Array): SaslServerStep {
    // The client acknowledges a refusal with a single byte (RFC 7628, section 3.2.3).
    if (this.#refusal !== undefined) refuseOpenly(this.#refusal);
    const [, authorizationId = "", pairs = ""] = MESSAGE.exec(fromUtf8(message)) ?? [];
    const extensions = new Map<string, string>();
    for (const pair of pairs.split(SEPARATOR)) {
      const at = pair.indexOf("=");
      if (at > 0)
        extensions.set(pair.slice(0, at).toLowerCase() === "auth" ? "auth" : pair.slice(0, at), pair.slice(at + 1));
    }
    const token = BEARER.exec(extensions.get("auth") ?? "")?.[1];
    if (token === undefined) throw new SaslRefusal("Invalid OAUTHBEARER client first message");
    extensions.delete("auth");
    this.#authorizationId = authorizationId.replaceAll("=2C", ",").replaceAll("=3D", "=");
    return { type: "verify", token, extensions };
  }

  verified(outcome: Verification): SaslServerStep {
    if ("refused" in outcome) {
      this.#refusal = JSON.stringify({ status: outcome.refused });
      return { type: "challenge", bytes: utf8(this.#refusal) };
    }
    const id = this.#authorizationId;
    if (id !== "" && id !== outcome.user) {
      const which = `an authorization id (${id}) that is different from the token's principal name (${outcome.user})`;
      refuseOpenly(`Authentication failed: Client requested ${which}`);
    }
    return { type: "done", bytes: NOTHING, identity: outcome };
  }
}
