import {
  checkTransition,
  fromBase64,
  fromUtf8,
  type HashName,
  invariant,
  type PreviousStates,
  sameBytes,
  toBase64,
  utf8,
} from "@samsa/base";
import type { ScramCredential, TokenCredential } from "./scram-credential.ts";
import {
  OTHER_AUTHORIZATION_ID,
  refuseOpenly,
  SaslRefusal,
  type SaslServer,
  type SaslServerStep,
} from "./sasl-server.ts";
import type { ScramHashes } from "./scram-client.ts";

/** Means of a `ScramServer`. */
export interface ScramServerOptions {
  readonly hash: HashName;
  readonly hashes: ScramHashes;
  readonly credentialOf: (username: string) => ScramCredential | undefined;
  /** Random printable characters without a comma, from at least sixteen random bytes. */
  readonly nonce: string;
  /** Secret of this process, from which the salts of unknown users are made. */
  readonly secret: Uint8Array;
}

/** SCRAM with a hash function, and its code in requests and records (`ScramMechanism`). */
export interface ScramMechanism {
  readonly name: `SCRAM-${HashName}`;
  readonly hash: HashName;
  readonly code: number;
}

/** Kinds of SCRAM that there are. */
export const SCRAM_MECHANISMS: readonly ScramMechanism[] = [
  { name: "SCRAM-SHA-256", hash: "SHA-256", code: 1 },
  { name: "SCRAM-SHA-512", hash: "SHA-512", code: 2 },
];

/** Fewest iterations of a credential (`ScramMechanism.minIterations`). */
export const MIN_SCRAM_ITERATIONS = 4096;
/** Most iterations of a new credential (`ScramMechanism.maxIterations`). */
export const MAX_SCRAM_ITERATIONS = 16384;

/** Keys of a credential, from a password with its salt (`ScramFormatter`). `mechanism` is a code. */
export function scramKeys(
  hashes: ScramHashes,
  mechanism: number,
  saltedPassword: Uint8Array,
): Pick<ScramCredential, "storedKey" | "serverKey"> {
  const hash = SCRAM_MECHANISMS.find(({ code }) => code === mechanism)?.hash;
  invariant(hash !== undefined, "the mechanism is known");
  const clientKey = hashes.hmac(hash, saltedPassword, utf8("Client Key"));
  return { storedKey: hashes.hash(hash, clientKey), serverKey: hashes.hmac(hash, saltedPassword, utf8("Server Key")) };
}

const SALT_BYTES = 16;
const NAME = "((?:[^=,]|=2C|=3D)+)";
const CLIENT_FIRST = new RegExp(
  `^(n,(?:a=${NAME})?,)(n=${NAME},r=([\\x21-\\x2b\\x2d-\\x7e]+)((?:,[A-Za-z]+=[^,]+)*))$`,
);
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]+=[^,]+)*),p=([A-Za-z0-9+/=]+)$/;
const TOKEN_EXTENSION = ",tokenauth=true";

type State = "new" | "first sent" | "done";

const PREVIOUS_STATES: PreviousStates<State> = { new: [], "first sent": ["new"], done: ["first sent"] };

interface Exchange {
  readonly header: string;
  readonly bare: string;
  readonly serverFirst: string;
  readonly nonce: string;
  readonly user: string;
  readonly credential: ScramCredential;
  /** False for credentials that were made up for an unknown user. */
  readonly isKnown: boolean;
  readonly token: TokenCredential | undefined;
}

const unescaped = (name: string): string => name.replaceAll("=2C", ",").replaceAll("=3D", "=");

/**
 * Server of SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802 and 7677; `ScramSaslServer`), with delegation tokens (KIP-48). An
 * unknown user gets a salt like any other and fails at the proof, so that nobody learns which users there are.
 */
export class ScramServer implements SaslServer {
  readonly #options: ScramServerOptions;
  #state: State = "new";
  #exchange: Exchange | undefined;

  constructor(options: ScramServerOptions) {
    this.#options = options;
  }

  received(message: Uint8Array): SaslServerStep {
    const text = fromUtf8(message);
    if (this.#state === "new") return this.#first(text);
    this.#become("done");
    return this.#final(text);
  }

  #first(text: string): SaslServerStep {
    const [, header, authorizationId, bare, name, nonce, extensions = ""] = CLIENT_FIRST.exec(text) ?? [];
    if (header === undefined || bare === undefined || name === undefined || nonce === undefined) {
      throw new SaslRefusal("Invalid SCRAM client first message format");
    }
    const username = unescaped(name);
    if (authorizationId !== undefined && unescaped(authorizationId) !== username) refuseOpenly(OTHER_AUTHORIZATION_ID);
    const first = { header, bare, nonce: nonce + this.#options.nonce };
    if (!`${extensions},`.includes(`${TOKEN_EXTENSION},`)) {
      const known = this.#options.credentialOf(username);
      return this.#challenge({ ...first, user: username, token: undefined }, known);
    }
    return {
      type: "find",
      tokenId: username,
      found: token => this.#challenge({ ...first, user: token?.owner ?? username, token }, token, username),
    };
  }

  /** Answers the client's first message. `name` is the one that the client has sent. */
  #challenge(
    first: Pick<Exchange, "header" | "bare" | "nonce" | "user" | "token">,
    known: ScramCredential | undefined,
    name = first.user,
  ): SaslServerStep {
    const isKnown = known !== undefined && known.iterations >= MIN_SCRAM_ITERATIONS;
    const credential = isKnown ? known : this.#madeUp(name);
    const serverFirst = `r=${first.nonce},s=${toBase64(credential.salt)},i=${credential.iterations}`;
    this.#exchange = { ...first, serverFirst, credential, isKnown };
    this.#become("first sent");
    return { type: "challenge", bytes: utf8(serverFirst) };
  }

  #madeUp(username: string): ScramCredential {
    const { hash, hashes, secret } = this.#options;
    const made = hashes.hmac(hash, secret, utf8(username));
    return { salt: made.slice(0, SALT_BYTES), storedKey: made, serverKey: made, iterations: MIN_SCRAM_ITERATIONS };
  }

  #final(text: string): SaslServerStep {
    const exchange = this.#exchange;
    invariant(exchange !== undefined, "the client's last message follows its first");
    const { header, bare, serverFirst, nonce, user, credential, isKnown, token } = exchange;
    const [, withoutProof, binding, ownNonce, proof64 = ""] = CLIENT_FINAL.exec(text) ?? [];
    const proof = fromBase64(proof64);
    if (withoutProof === undefined || proof === undefined) {
      throw new SaslRefusal("Invalid SCRAM client final message format");
    }
    if (ownNonce !== nonce) throw new SaslRefusal("Invalid client nonce in the final client message.");
    if (binding !== toBase64(utf8(header)))
      throw new SaslRefusal("Invalid channel binding in the final client message.");
    const { hash, hashes } = this.#options;
    const all = utf8(`${bare},${serverFirst},${withoutProof}`);
    const signature = hashes.hmac(hash, credential.storedKey, all);
    const clientKey = signature.map((byte, i) => byte ^ (proof[i] ?? 0));
    const isProof = sameBytes(hashes.hash(hash, Uint8Array.from(clientKey)), credential.storedKey);
    if (!isProof || !isKnown || proof.length !== signature.length) throw new SaslRefusal("Invalid client credentials");
    const bytes = utf8(`v=${toBase64(hashes.hmac(hash, credential.serverKey, all))}`);
    const identity = token === undefined ? { user } : { user, expiresAt: token.expiresAt, byToken: true as const };
    return { type: "done", bytes, identity };
  }

  #become(state: State): void {
    checkTransition(PREVIOUS_STATES, this.#state, state);
    this.#state = state;
  }
}
