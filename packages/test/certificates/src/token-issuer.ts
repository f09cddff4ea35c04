import * as crypto from "node:crypto";

/** Algorithms by which a `TokenIssuer` signs. */
export type TokenAlgorithm = "RS256" | "PS256" | "ES256" | "EdDSA";

/** Header fields and claims of a token, in place of the usual ones; undefined leaves one out. */
export interface TokenParts {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

interface KeyPair {
  readonly name: string;
  readonly algorithm: TokenAlgorithm;
  readonly publicKey: crypto.KeyObject;
  readonly privateKey: crypto.KeyObject;
}

const part = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function keyPair(algorithm: TokenAlgorithm): crypto.KeyPairKeyObjectResult {
  if (algorithm === "ES256") return crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  if (algorithm === "EdDSA") return crypto.generateKeyPairSync("ed25519");
  return crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
}

function signature({ algorithm, privateKey }: KeyPair, text: string): string {
  const { RSA_PKCS1_PSS_PADDING: padding } = crypto.constants;
  const options: Record<TokenAlgorithm, readonly [string | null, object]> = {
    RS256: ["sha256", {}],
    PS256: ["sha256", { padding, saltLength: 32 }],
    ES256: ["sha256", { dsaEncoding: "ieee-p1363" }],
    EdDSA: [null, {}],
  };
  const [hash, more] = options[algorithm];
  return crypto.sign(hash, Buffer.from(text), { key: privateKey, ...more }).toString("base64url");
}

/** Issuer of JSON Web Tokens with keys of its own (RFC 7515, 7517, 7519). */
export class TokenIssuer {
  readonly name: string;
  readonly #keys: KeyPair[] = [];

  constructor(name: string, algorithm: TokenAlgorithm = "RS256") {
    this.name = name;
    this.addKey(algorithm);
  }

  /** Adds a key, by which tokens are signed from now on. */
  addKey(algorithm: TokenAlgorithm): void {
    this.#keys.push({ name: `key-${this.#keys.length + 1}`, algorithm, ...keyPair(algorithm) });
  }

  get #newest(): KeyPair {
    return this.#keys.at(-1) as KeyPair;
  }

  /** Public key of the newest key pair as text in PEM. */
  get publicPem(): string {
    return this.#newest.publicKey.export({ type: "spki", format: "pem" }).toString();
  }

  /** The public keys, as the JSON of a key set. `named` is false to leave out their names. */
  keySet(named = true): string {
    const keys = this.#keys.map(({ name, algorithm, publicKey }) => ({
      ...publicKey.export({ format: "jwk" }),
      ...(named ? { kid: name } : {}),
      alg: algorithm,
      use: "sig",
    }));
    return JSON.stringify({ keys });
  }

  /** Token of a user from the audience `kafka`, for an hour from `now` in ms, signed by the newest key. */
  token(user: string, now: number, { header, claims }: TokenParts = {}): string {
    const key = this.#newest;
    const seconds = Math.floor(now / 1000);
    const payload = { iss: this.name, aud: "kafka", sub: user, iat: seconds, exp: seconds + 3600, ...claims };
    const text = `${part({ alg: key.algorithm, kid: key.name, ...header })}.${part(payload)}`;
    return `${text}.${signature(key, text)}`;
  }
}
