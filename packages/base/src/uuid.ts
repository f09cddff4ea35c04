import { entryAt, invariant } from "./assert.ts";
import { toHex } from "./text/hex.ts";

/** 128-bit id as 22 characters of base64url, as Kafka prints it (`org.apache.kafka.common.Uuid`). */
export type Uuid = string & { readonly __brand: "Uuid" };

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const DIGITS = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) DIGITS[ALPHABET.charCodeAt(i)] = i;

/** Zero UUID, which means "no id". */
export const ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA" as Uuid;
/** Topic id of `__cluster_metadata`. */
export const METADATA_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;
/** Directory of a replica from before directories had ids (`DirectoryId.MIGRATING`, KIP-858). */
export const MIGRATING_DIRECTORY = ZERO_UUID;
/** Directory of a replica that has not been assigned yet (`DirectoryId.UNASSIGNED`). */
export const UNASSIGNED_DIRECTORY = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;
/** Directory of a replica whose disk has failed (`DirectoryId.LOST`). */
export const LOST_DIRECTORY = "AAAAAAAAAAAAAAAAAAAAAg" as Uuid;
const RESERVED_DIRECTORIES = 100;

/** True for the first hundred ids, which Kafka reserves for directories with a special meaning. */
export function isReservedDirectory(id: Uuid): boolean {
  return uuidToBytes(id).every((byte, at) => byte < (at < 15 ? 1 : RESERVED_DIRECTORIES));
}

/** Reads an id from 16 bytes at `at`. */
export function uuidFromBytes(bytes: Uint8Array, at = 0): Uuid {
  let text = "";
  for (let i = at; i < at + 15; i += 3) {
    const n = ((bytes[i] as number) << 16) | ((bytes[i + 1] as number) << 8) | (bytes[i + 2] as number);
    text +=
      ALPHABET.charAt(n >> 18) +
      ALPHABET.charAt((n >> 12) & 63) +
      ALPHABET.charAt((n >> 6) & 63) +
      ALPHABET.charAt(n & 63);
  }
  const last = bytes[at + 15] as number;
  return (text + ALPHABET.charAt(last >> 2) + ALPHABET.charAt((last & 3) << 4)) as Uuid;
}

/** Value of the base64url digit at `at`. */
function digitAt(uuid: string, at: number): number {
  return DIGITS[uuid.charCodeAt(at)] as number;
}

/** Writes an id as 16 bytes at `at` of `target`, and returns `target`. */
export function uuidToBytes(uuid: Uuid, target: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
  for (let i = 0, c = 0; i < 15; i += 3, c += 4) {
    const n =
      (digitAt(uuid, c) << 18) | (digitAt(uuid, c + 1) << 12) | (digitAt(uuid, c + 2) << 6) | digitAt(uuid, c + 3);
    target[at + i] = n >> 16;
    target[at + i + 1] = n >> 8;
    target[at + i + 2] = n;
  }
  target[at + 15] = (digitAt(uuid, 20) << 2) | (digitAt(uuid, 21) >> 4);
  return target;
}

/** Parses an id; undefined if `text` is none. */
export function parseUuid(text: string): Uuid | undefined {
  if (text.length !== 22) return undefined;
  for (let i = 0; i < 22; i++) {
    if (text.charCodeAt(i) > 127 || digitAt(text, i) < 0) return undefined;
  }
  // The last character carries only two bits; with other bits set it would not print the same way again.
  return (digitAt(text, 21) & 15) === 0 ? (text as Uuid) : undefined;
}

/** Random bytes of an id of version 4 (RFC 9562). */
function version4(randomBytes: (length: number) => Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(randomBytes(16));
  bytes[6] = (entryAt(bytes, 6) & 0x0f) | 0x40;
  bytes[8] = (entryAt(bytes, 8) & 0x3f) | 0x80;
  return bytes;
}

/** Random id of version 4 in hexadecimal with dashes, as Java's `UUID` writes it. */
export function randomJavaUuid(randomBytes: (length: number) => Uint8Array): string {
  return toHex(version4(randomBytes)).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Random id of version 4, which is never one that Kafka reserves. Draws again if the text begins with a dash, which a
 * command line would take for a flag.
 */
export function randomUuid(randomBytes: (length: number) => Uint8Array): Uuid {
  for (let tries = 0; tries < 100; tries++) {
    const uuid = uuidFromBytes(version4(randomBytes));
    if (!uuid.startsWith("-")) return uuid;
  }
  invariant(false, "the random source gives different ids");
}
