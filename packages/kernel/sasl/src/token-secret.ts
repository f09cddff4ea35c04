import { toBase64, utf8 } from "@samsa/base";
import type { ScramHashes } from "./scram-client.ts";

/** Secret key of a cluster's delegation tokens (KIP-48; `DelegationTokenManager`). */
export class TokenSecret {
  readonly #hashes: Pick<ScramHashes, "hmac">;
  readonly #key: Uint8Array;
  /** Ids of known tokens by their HMACs in base64, and the other way around. */
  readonly #ids = new Map<string, string>();
  readonly #hmacs = new Map<string, string>();
  #seen: object | undefined;

  /** `key` is `delegation.token.secret.key`. */
  constructor(hashes: Pick<ScramHashes, "hmac">, key: string) {
    this.#hashes = hashes;
    this.#key = utf8(key);
  }

  /** HMAC of a token: whoever has it can log in, renew the token and end it. */
  hmacOf(tokenId: string): Uint8Array {
    return this.#hashes.hmac("SHA-512", this.#key, utf8(tokenId));
  }

  /** Id of the token with this HMAC among `tokens`, an immutable map by id; undefined: there is none. */
  idOf(hmac: Uint8Array, tokens: ReadonlyTokens): string | undefined {
    const text = toBase64(hmac);
    const known = this.#ids.get(text);
    if (known !== undefined && tokens.has(known)) return known;
    if (tokens !== this.#seen) this.#see(tokens);
    return this.#ids.get(text);
  }

  /** Computes HMACs of new tokens only; called for an HMAC that is not known. */
  #see(tokens: ReadonlyTokens): void {
    for (const [id, hmac] of this.#hmacs) {
      if (tokens.has(id)) continue;
      this.#hmacs.delete(id);
      this.#ids.delete(hmac);
    }
    for (const id of tokens.keys()) {
      if (this.#hmacs.has(id)) continue;
      const hmac = toBase64(this.hmacOf(id));
      this.#hmacs.set(id, hmac);
      this.#ids.set(hmac, id);
    }
    this.#seen = tokens;
  }
}

interface ReadonlyTokens {
  has(id: string): boolean;
  keys(): Iterable<string>;
}
