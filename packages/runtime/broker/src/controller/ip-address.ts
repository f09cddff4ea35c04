import { entryAt, MalformedError } from "@samsa/base";
import { plainAddress } from "../limits/connection-limits.ts";

const V4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const V4_BYTES = 4;
const V6_BYTES = 16;
const V6_GROUPS = 8;

function v4Bytes(text: string): Uint8Array | undefined {
  const parts = V4.exec(text)?.slice(1).map(Number);
  return parts === undefined || parts.some(part => part > 255) ? undefined : Uint8Array.from(parts);
}

function v6Groups(text: string): number[] | undefined {
  const groups = text === "" ? [] : text.split(":");
  return groups.every(group => /^[0-9a-fA-F]{1,4}$/.test(group)) ? groups.map(group => parseInt(group, 16)) : undefined;
}

function v6Bytes(text: string): Uint8Array | undefined {
  const [head = "", tail, ...more] = text.split("::");
  const first = v6Groups(head);
  const last = tail === undefined ? [] : v6Groups(tail);
  if (first === undefined || last === undefined || more.length > 0) return undefined;
  const gap = V6_GROUPS - first.length - last.length;
  if (tail === undefined ? gap !== 0 : gap < 1) return undefined;
  const groups = [...first, ...Array.from({ length: gap }, () => 0), ...last];
  return Uint8Array.from(groups.flatMap(group => [group >> 8, group & 0xff]));
}

/** Bytes of an IP address in network order, 4 or 16; those of 0.0.0.0 if the text is none. */
export function addressBytes(text: string): Uint8Array {
  const plain = plainAddress(text);
  return v4Bytes(plain) ?? v6Bytes(plain.replace(/%.*$/, "")) ?? new Uint8Array(V4_BYTES);
}

/** Text of an IP address. Throws `MalformedError` unless it has 4 or 16 bytes. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === V4_BYTES) return bytes.join(".");
  if (bytes.length !== V6_BYTES) throw new MalformedError(`an address of ${bytes.length} bytes`);
  const groups = Array.from({ length: V6_GROUPS }, (_, i) =>
    ((entryAt(bytes, 2 * i) << 8) | entryAt(bytes, 2 * i + 1)).toString(16),
  );
  return groups.join(":");
}
