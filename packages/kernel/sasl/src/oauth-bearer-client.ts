import { fromUtf8, InvariantError, utf8 } from "@samsa/base";
import { type SaslClient, SaslError, type SaslStep } from "./sasl-client.ts";

const SEPARATOR = "\u0001";
/** Answer to a broker that has refused the token and waits for it (RFC 7628, section 3.2.3). */
const ACKNOWLEDGED = Uint8Array.of(1);
const TOKEN = /^[-_~+/.a-zA-Z0-9]+=*$/;
const EXTENSION_NAME = /^[A-Za-z]+$/;
const EXTENSION_VALUE = /^[\x21-\x7e \t\r\n]+$/;

function checkExtension(name: string, value: string): void {
  if (name === "auth" || !EXTENSION_NAME.test(name)) {
    throw new SaslError(`"${name}" is no name of a SASL extension: that is letters only, and not "auth"`);
  }
  if (!EXTENSION_VALUE.test(value))
    throw new SaslError(`the SASL extension ${name} is empty or not in printable ASCII`);
}

/** Client of OAUTHBEARER (RFC 7628, KIP-255), with Kafka's SASL extensions (KIP-342). */
export class OAuthBearerClient implements SaslClient {
  readonly mechanism = "OAUTHBEARER";
  readonly #message: Uint8Array;
  #refusal: string | undefined;

  /** Throws `SaslError` if the token or an extension cannot be sent. */
  constructor(token: string, extensions: Readonly<Record<string, string>> = {}) {
    if (!TOKEN.test(token)) throw new SaslError("the token is empty, or has characters that no token has");
    const pairs = Object.entries(extensions);
    for (const [name, value] of pairs) checkExtension(name, value);
    const parts = [`auth=Bearer ${token}`, ...pairs.map(([name, value]) => `${name}=${value}`)];
    this.#message = utf8(`n,,${SEPARATOR}${parts.join(SEPARATOR)}${SEPARATOR}${SEPARATOR}`);
  }

  start(): SaslStep {
    return { type: "send", bytes: this.#message };
  }

  received(challenge: Uint8Array): SaslStep {
    if (this.#refusal !== undefined) throw new SaslError(`the broker refuses the token: ${this.#refusal}`);
    if (challenge.length === 0) return { type: "done" };
    this.#refusal = fromUtf8(challenge);
    return { type: "send", bytes: ACKNOWLEDGED };
  }

  derived(_key: Uint8Array): SaslStep {
    throw new InvariantError("OAUTHBEARER derives no key");
  }
}
