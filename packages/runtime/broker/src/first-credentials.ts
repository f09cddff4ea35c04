import { type Env, fromBase64, utf8 } from "@samsa/base";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import {
  MAX_SCRAM_ITERATIONS,
  MIN_SCRAM_ITERATIONS,
  SCRAM_MECHANISMS,
  scramKeys,
  type ScramMechanism,
} from "@samsa/sasl";
import { StorageError } from "./first-quorum.ts";

/** Credential of a user, as a flag describes it. */
interface FirstCredential {
  readonly mechanism: ScramMechanism;
  readonly name: string;
  /** Undefined: random. */
  readonly salt: Uint8Array | undefined;
  readonly iterations: number;
  readonly secret: { readonly password: Uint8Array } | { readonly saltedPassword: Uint8Array };
}

const SALT_BYTES = 16;
const MAX_INT = 2_147_483_647;

const isQuoted = (text: string): boolean => text.length >= 2 && text.startsWith('"') && text.endsWith('"');

/** Properties of a credential: `name=value`, separated by commas, with or without quotation marks around the value. */
function propertiesOf(text: string): Map<string, string> {
  const found = new Map<string, string>();
  // Commas at the end separate nothing.
  for (const part of (text === "" ? text : text.replace(/,+$/, "")).split(",")) {
    const at = part.indexOf("=");
    if (at < 0) throw new StorageError(`No equals sign found in SCRAM component: ${part}`);
    const value = part.slice(at + 1);
    found.set(part.slice(0, at), isQuoted(value) ? value.slice(1, -1) : value);
  }
  return found;
}

function decoded(what: string, text: string): Uint8Array {
  // Padding may be left out.
  const bytes = fromBase64(text.includes("=") ? text : text.padEnd(Math.ceil(text.length / 4) * 4, "="));
  if (bytes === undefined) throw new StorageError(`Failed to decode given ${what}: ${text}`);
  return bytes;
}

function iterationsOf(text: string, { name }: ScramMechanism): number {
  const count = Number(text);
  if (!/^[+-]?\d+$/.test(text) || Math.abs(count) > MAX_INT) {
    throw new StorageError(`Failed to parse iterations count: ${text}`);
  }
  const refuse = (bound: string): never => {
    throw new StorageError(`The 'iterations' value must be ${bound} for add-scram using ${name}`);
  };
  if (count < MIN_SCRAM_ITERATIONS) return refuse(`>= ${MIN_SCRAM_ITERATIONS}`);
  return count > MAX_SCRAM_ITERATIONS ? refuse(`<= ${MAX_SCRAM_ITERATIONS}`) : count;
}

function secretOf(password: string | undefined, salted: string | undefined, hasSalt: boolean) {
  if (password === "" || (password === undefined && salted === "")) {
    throw new StorageError("The password of add-scram must not be empty.");
  }
  if (password !== undefined) return { password: utf8(password) };
  if (salted === undefined) {
    throw new StorageError("You must supply one of 'password' or 'saltedpassword' to add-scram");
  }
  if (!hasSalt) throw new StorageError("You must supply 'salt' with 'saltedpassword' to add-scram");
  return { saltedPassword: decoded("saltedPassword", salted) };
}

/** Reads one flag. Throws `StorageError`. */
function parseCredential(argument: string): FirstCredential {
  const text = argument.trim();
  const at = text.indexOf("=");
  if (at < 0) throw new StorageError(`Failed to find equals sign in SCRAM argument '${text}'`);
  const mechanism = SCRAM_MECHANISMS.find(({ name }) => name === text.slice(0, at));
  if (mechanism === undefined) {
    throw new StorageError(`The add-scram mechanism ${text.slice(0, at)} is not supported.`);
  }
  const list = text.slice(at + 1);
  if (!list.startsWith("[")) throw new StorageError("Expected configuration string to start with [");
  if (!list.endsWith("]")) throw new StorageError("Expected configuration string to end with ]");
  const properties = propertiesOf(list.slice(1, -1));
  const take = (name: string): string | undefined => {
    const value = properties.get(name);
    properties.delete(name);
    return value;
  };
  const name = take("name");
  if (name === undefined) throw new StorageError("You must supply 'name' to add-scram");
  const [saltText, count] = [take("salt"), take("iterations")];
  const salt = saltText === undefined ? undefined : decoded("salt", saltText);
  const iterations = count === undefined ? MIN_SCRAM_ITERATIONS : iterationsOf(count, mechanism);
  const secret = secretOf(take("password"), properties.get("saltedpassword"), salt !== undefined);
  if ("saltedPassword" in secret) properties.delete("saltedpassword");
  if (properties.size > 0) {
    throw new StorageError(`Unknown SCRAM configurations: ${[...properties.keys()].sort().join(", ")}`);
  }
  return { mechanism, name, salt, iterations, secret };
}

/**
 * Records with the first credentials of a cluster, for `FormatOptions.credentials`. Each of `flags` is one of
 * `kafka-storage format --add-scram`, as in `SCRAM-SHA-256=[name=alice,password=secret]`; `iterations` is 4096 without,
 * and `salt` and `saltedpassword`, in base64, may take the place of the password (KIP-900, `ScramParser`). Throws
 * `StorageError`.
 */
export async function firstCredentials(
  { crypto, random }: Pick<Env, "crypto" | "random">,
  flags: readonly string[],
): Promise<MetadataRecord[]> {
  const credentials = flags.map(parseCredential);
  return Promise.all(
    credentials.map(async ({ mechanism: { hash, code }, name, iterations, secret, ...given }) => {
      const salt = given.salt ?? random.bytes(SALT_BYTES);
      const salted =
        "saltedPassword" in secret
          ? secret.saltedPassword
          : await crypto.deriveKey(hash, secret.password, salt, iterations);
      const keys = scramKeys(crypto, code, salted);
      return metadataRecord("UserScramCredentialRecord", 0, { name, mechanism: code, salt, iterations, ...keys });
    }),
  );
}
