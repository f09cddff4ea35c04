import { fromUtf8, sameBytes, utf8 } from "@samsa/base";
import { OTHER_AUTHORIZATION_ID, refuseOpenly, type SaslServer, type SaslServerStep } from "./sasl-server.ts";

const NOTHING = new Uint8Array(0);
/** Parts of a client's message: authorization id, username and password. */
const PARTS = 3;

/** Server of PLAIN (RFC 4616; `PlainSaslServer`). */
export class PlainServer implements SaslServer {
  readonly #passwordOf: (username: string) => string | undefined;
  readonly #digest: (bytes: Uint8Array) => Uint8Array;

  /** `digest` makes passwords of any length comparable in constant time: a collision-resistant hash. */
  constructor(passwordOf: (username: string) => string | undefined, digest: (bytes: Uint8Array) => Uint8Array) {
    this.#passwordOf = passwordOf;
    this.#digest = digest;
  }

  received(message: Uint8Array): SaslServerStep {
    const parts = fromUtf8(message).split("\0", PARTS + 1);
    if (parts.length !== PARTS) {
      refuseOpenly(`Invalid SASL/PLAIN response: expected ${PARTS} tokens, got ${parts.length}`);
    }
    const [authorizationId = "", user = "", password = ""] = parts;
    if (user === "") refuseOpenly("Authentication failed: username not specified");
    if (password === "") refuseOpenly("Authentication failed: password not specified");
    const expected = this.#passwordOf(user);
    // A comparison for unknown users too: its time tells nothing.
    const isSame = sameBytes(this.#digest(utf8(password)), this.#digest(utf8(expected ?? "")));
    if (expected === undefined || !isSame) refuseOpenly("Authentication failed: Invalid username or password");
    if (authorizationId !== "" && authorizationId !== user) refuseOpenly(OTHER_AUTHORIZATION_ID);
    return { type: "done", bytes: NOTHING, identity: { user } };
  }
}
