import {
  checkTransition,
  type Crypto,
  fromBase64,
  fromUtf8,
  type HashName,
  invariant,
  type PreviousStates,
  sameBytes,
  toBase64,
  utf8,
} from "@samsa/base";
import { type SaslClient, SaslError, type SaslStep } from "./sasl-client.ts";

/** Hash functions of a `ScramClient`. */
export type ScramHashes = Pick<Crypto, "hash" | "hmac">;

/** Credentials and chance of a `ScramClient`. */
export interface ScramOptions {
  readonly hash: HashName;
  readonly username: string;
  readonly password: string;
  /** The credentials are those of a delegation token: its id and its HMAC (KIP-48). */
  readonly delegationToken?: boolean;
  /** Random printable characters without a comma, from at least sixteen random bytes. */
  readonly nonce: string;
}

/** Fewest iterations that RFC 7677 allows, and Kafka's client accepts. */
const MIN_ITERATIONS = 4096;
/** Most iterations: a broker must not keep this side busy for ever. Kafka's brokers store up to 16384. */
const MAX_ITERATIONS = 1_000_000;
/** Characters of a broker's message. */
const MAX_MESSAGE = 4096;
/** Base64 of the header `n,,`: no channel binding. */
const BINDING = "c=biws";

const SERVER_FIRST = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9]\d{0,9})(?:,[A-Za-z]=[^,]*)*$/;
const SERVER_FINAL = /^(?:e=([^,]+)|v=([A-Za-z0-9+/=]+))(?:,[A-Za-z]=[^,]*)*$/;

type State = "new" | "first sent" | "deriving" | "final sent" | "done";

const PREVIOUS_STATES: PreviousStates<State> = {
  new: [],
  "first sent": ["new"],
  deriving: ["first sent"],
  "final sent": ["deriving"],
  done: ["final sent"],
};

interface Exchange {
  readonly serverFirst: string;
  readonly withoutProof: string;
}

/** Client of SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802 and 7677; `ScramSaslClient`). */
export class ScramClient implements SaslClient {
  readonly mechanism: `SCRAM-${HashName}`;
  readonly #hashes: ScramHashes;
  readonly #options: ScramOptions;
  readonly #bare: string;
  #state: State = "new";
  #exchange: Exchange | undefined;
  /** Signature with which the broker proves that it knows the credentials. */
  #expected: Uint8Array | undefined;

  /** Throws `SaslError` if the name or the password is empty. */
  constructor(hashes: ScramHashes, options: ScramOptions) {
    const { hash, username, password, nonce, delegationToken = false } = options;
    if (username === "" || password === "") throw new SaslError("the username or the password is empty");
    this.mechanism = `SCRAM-${hash}`;
    this.#hashes = hashes;
    this.#options = options;
    const name = username.replaceAll("=", "=3D").replaceAll(",", "=2C");
    this.#bare = `n=${name},r=${nonce}${delegationToken ? ",tokenauth=true" : ""}`;
  }

  start(): SaslStep {
    this.#become("first sent");
    return { type: "send", bytes: utf8(`n,,${this.#bare}`) };
  }

  received(challenge: Uint8Array): SaslStep {
    if (challenge.length > MAX_MESSAGE) throw new SaslError(`its SCRAM message has ${challenge.length} bytes`);
    const text = fromUtf8(challenge);
    return this.#state === "first sent" ? this.#serverFirst(text) : this.#serverFinal(text);
  }

  derived(key: Uint8Array): SaslStep {
    this.#become("final sent");
    const { hash, hmac } = this.#hashes;
    const name = this.#options.hash;
    const exchange = this.#exchange;
    invariant(exchange !== undefined, "a key is derived for an exchange");
    const { serverFirst, withoutProof } = exchange;
    const message = utf8(`${this.#bare},${serverFirst},${withoutProof}`);
    const clientKey = hmac(name, key, utf8("Client Key"));
    const signature = hmac(name, hash(name, clientKey), message);
    const proof = clientKey.map((byte, i) => byte ^ (signature[i] ?? 0));
    this.#expected = hmac(name, hmac(name, key, utf8("Server Key")), message);
    return { type: "send", bytes: utf8(`${withoutProof},p=${toBase64(Uint8Array.from(proof))}`) };
  }

  #serverFirst(text: string): SaslStep {
    const [, nonce = "", salt64 = "", count = ""] = SERVER_FIRST.exec(text) ?? [];
    const salt = fromBase64(salt64);
    if (nonce === "" || salt === undefined) throw new SaslError("its first SCRAM message cannot be read");
    const own = this.#options.nonce;
    if (!nonce.startsWith(own) || nonce === own) throw new SaslError("its nonce does not extend this side's");
    const iterations = Number(count);
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
      const range = `${MIN_ITERATIONS} to ${MAX_ITERATIONS}`;
      throw new SaslError(`it wants ${iterations} iterations of ${this.mechanism}, and allowed are ${range}`);
    }
    this.#exchange = { serverFirst: text, withoutProof: `${BINDING},r=${nonce}` };
    this.#become("deriving");
    const { hash, password } = this.#options;
    return { type: "derive", hash, password: utf8(password), salt, iterations };
  }

  #serverFinal(text: string): SaslStep {
    this.#become("done");
    const [, error, signature] = SERVER_FINAL.exec(text) ?? [];
    if (error !== undefined) throw new SaslError(`it refuses the credentials: ${error}`);
    const proof = signature === undefined ? undefined : fromBase64(signature);
    if (proof === undefined) throw new SaslError("its last SCRAM message cannot be read");
    const expected = this.#expected;
    invariant(expected !== undefined, "the signature is known before the broker's last message");
    if (!sameBytes(proof, expected)) throw new SaslError("its signature is wrong: it does not know the password");
    return { type: "done" };
  }

  #become(state: State): void {
    checkTransition(PREVIOUS_STATES, this.#state, state);
    this.#state = state;
  }
}
