import * as crypto from "node:crypto";
import { type HashName, utf8 } from "@samsa/base";

const NAMES = { "SHA-256": "sha256", "SHA-512": "sha512" } as const;

/** Credentials as a broker stores them (`ScramCredential`). */
export interface Stored {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export function stored(hash: HashName, password: string, iterations = 4096): Stored {
  const name = NAMES[hash];
  const salt = crypto.randomBytes(12);
  const length = name === "sha256" ? 32 : 64;
  const key = crypto.pbkdf2Sync(password, salt, iterations, length, name);
  const hmac = (text: string) => crypto.createHmac(name, key).update(text).digest();
  const storedKey = crypto.createHash(name).update(hmac("Client Key")).digest();
  return { salt, iterations, storedKey, serverKey: hmac("Server Key") };
}

/** Server's half of SCRAM, written from RFC 5802, with what tests want to see or to break. */
export class ScramServer {
  readonly hash: HashName;
  username = "";
  extensions = "";
  readonly #find: (username: string) => Stored | undefined;
  #bare = "";
  #first = "";
  #stored: Stored | undefined;

  constructor(hash: HashName, find: (username: string) => Stored | undefined) {
    this.hash = hash;
    this.#find = find;
  }

  first(message: Uint8Array): Uint8Array | undefined {
    const [, bare = "", name = "", nonce = "", extensions = ""] =
      /^n,,(n=([^,]*),r=([^,]*)(?:,(.*))?)$/.exec(Buffer.from(message).toString()) ?? [];
    this.username = name.replaceAll("=2C", ",").replaceAll("=3D", "=");
    this.extensions = extensions;
    this.#bare = bare;
    this.#stored = this.#find(this.username);
    if (this.#stored === undefined) return undefined;
    const { salt, iterations } = this.#stored;
    const own = crypto.randomBytes(9).toString("base64");
    this.#first = `r=${nonce}${own},s=${salt.toString("base64")},i=${iterations}`;
    return utf8(this.#first);
  }

  /** Undefined if the proof is wrong. */
  final(message: Uint8Array): Uint8Array | undefined {
    const name = NAMES[this.hash];
    const [, without = "", proof = ""] = /^(.*),p=(.*)$/.exec(Buffer.from(message).toString()) ?? [];
    const { storedKey, serverKey } = this.#stored!;
    const nonce = /^r=([^,]*)/.exec(this.#first)?.[1];
    if (without !== `c=biws,r=${nonce}`) return undefined;
    const all = `${this.#bare},${this.#first},${without}`;
    const signature = crypto.createHmac(name, storedKey).update(all).digest();
    const clientKey = Buffer.from(proof, "base64").map((byte, i) => byte ^ signature[i]);
    if (!crypto.createHash(name).update(clientKey).digest().equals(storedKey)) return undefined;
    return utf8(`v=${crypto.createHmac(name, serverKey).update(all).digest("base64")}`);
  }
}
