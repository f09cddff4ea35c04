import { type Env, nearestNumber, toBase64, utf8 } from "@samsa/base";
import { isOver } from "@samsa/controller";
import type { MetadataImage } from "@samsa/metadata";
import {
  MIN_SCRAM_ITERATIONS,
  type ScramCredential,
  type ScramMechanism,
  scramKeys,
  type TokenCredential,
  TokenSecret,
} from "@samsa/sasl";

/** Most credentials that are kept. */
const MOST = 1000;
const SALT_BYTES = 16;
const OWNER = "User:";

interface Host {
  readonly env: Pick<Env, "clock" | "crypto" | "random">;
  readonly image: () => MetadataImage;
}

/**
 * Credentials of delegation tokens (KIP-48): the password of a token is its HMAC. In contrast to Kafka
 * (`DelegationTokenManager.updateToken`), a credential is derived when its token is first used, and a token that is over
 * is unknown even before it is removed.
 */
export class DelegationTokens {
  readonly secret: TokenSecret;
  readonly #host: Host;
  /** By token and mechanism, the least recently used first. */
  readonly #credentials = new Map<string, Promise<ScramCredential>>();

  /** `key` is `delegation.token.secret.key`. */
  constructor(host: Host, key: string) {
    this.#host = host;
    this.secret = new TokenSecret(host.env.crypto, key);
  }

  /** Credential of a token; undefined if there is no such token, or it is over. */
  async credentialOf(tokenId: string, mechanism: ScramMechanism): Promise<TokenCredential | undefined> {
    const { env, image } = this.#host;
    const token = image().delegationTokens.get(tokenId);
    if (token === undefined || isOver(token, env.clock.now()) || !token.owner.startsWith(OWNER)) return undefined;
    const credential = await this.#kept(tokenId, mechanism);
    const { owner, expirationTimestamp } = token;
    return { ...credential, owner: owner.slice(OWNER.length), expiresAt: nearestNumber(expirationTimestamp) };
  }

  #kept(tokenId: string, mechanism: ScramMechanism): Promise<ScramCredential> {
    const name = `${mechanism.code}:${tokenId}`;
    let kept = this.#credentials.get(name);
    if (kept === undefined) {
      kept = this.#derived(tokenId, mechanism);
      // A later login tries again.
      kept.catch(() => this.#credentials.delete(name));
    }
    this.#credentials.delete(name);
    this.#credentials.set(name, kept);
    const [oldest] = this.#credentials.keys();
    if (oldest !== undefined && this.#credentials.size > MOST) this.#credentials.delete(oldest);
    return kept;
  }

  async #derived(tokenId: string, { hash, code }: ScramMechanism): Promise<ScramCredential> {
    const { crypto, random } = this.#host.env;
    const salt = random.bytes(SALT_BYTES);
    const iterations = MIN_SCRAM_ITERATIONS;
    const password = utf8(toBase64(this.secret.hmacOf(tokenId)));
    const salted = await crypto.deriveKey(hash, password, salt, iterations);
    return { salt, iterations, ...scramKeys(crypto, code, salted) };
  }
}
