import { InvariantError, utf8 } from "@samsa/base";
import { type SaslClient, SaslError, type SaslStep } from "./sasl-client.ts";

/** Client of PLAIN (RFC 4616): sends the password as it is, so the connection should be encrypted. */
export class PlainClient implements SaslClient {
  readonly mechanism = "PLAIN";
  readonly #message: Uint8Array;

  /** Throws `SaslError` if the name or the password is empty, or has a zero character. */
  constructor(username: string, password: string) {
    for (const [what, text] of [
      ["username", username],
      ["password", password],
    ] as const) {
      if (text === "" || text.includes("\0")) throw new SaslError(`the ${what} is empty or has a zero character`);
    }
    this.#message = utf8(`\0${username}\0${password}`);
  }

  start(): SaslStep {
    return { type: "send", bytes: this.#message };
  }

  received(_challenge: Uint8Array): SaslStep {
    return { type: "done" };
  }

  derived(_key: Uint8Array): SaslStep {
    throw new InvariantError("PLAIN derives no key");
  }
}
