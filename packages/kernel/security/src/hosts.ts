/** Addresses of clients in ACLs: as Java writes them, and ranges of them. */

/** Address as its groups of bits, highest first: four bytes of IPv4, or eight groups of IPv6 with 16 bits each. */
type Groups = readonly number[];

function bytesOf(text: string): Groups | undefined {
  const parts = text.split(".");
  const isAddress = parts.length === 4 && parts.every(part => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  return isAddress ? parts.map(Number) : undefined;
}

function halvesOf(text: string): Groups[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const parsed = halves.map(half => (half === "" ? [] : half.split(":").flatMap(groupOf)));
  return parsed.every(half => half.every(group => group >= 0)) ? parsed : undefined;
}

/** Groups of one part between colons: two for an IPv4 address at the end. −1 for a part that is no number. */
function groupOf(part: string): Groups {
  if (/^[\da-f]{1,4}$/i.test(part)) return [Number.parseInt(part, 16)];
  const bytes = bytesOf(part);
  if (bytes === undefined) return [-1];
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return [a * 256 + b, c * 256 + d];
}

function wordsOf(text: string): Groups | undefined {
  const halves = halvesOf(text);
  const [front = [], back] = halves ?? [];
  if (halves === undefined) return undefined;
  if (back === undefined) return front.length === 8 ? front : undefined;
  const missing = 8 - front.length - back.length;
  return missing >= 1 ? [...front, ...Array.from({ length: missing }, () => 0), ...back] : undefined;
}

/** True for an address of IPv4 within IPv6, as in ::ffff:10.0.0.1. */
const isMapped = (words: Groups): boolean => words.slice(0, 5).every(word => word === 0) && words[5] === 0xffff;

const lowBytes = (words: Groups): Groups => words.slice(6).flatMap(word => [word >>> 8, word & 255]);

/**
 * Address of a client as ACLs compare it (`InetAddress.getHostAddress`): without abbreviation, as in 0:0:0:0:0:0:0:1, and
 * IPv4 within IPv6 as IPv4. Text that is no address stays as it is.
 */
export function aclHost(address: string): string {
  if (!address.includes(":")) return address;
  const [text = "", zone] = address.split("%", 2);
  const words = wordsOf(text);
  if (words === undefined) return address;
  if (isMapped(words)) return lowBytes(words).join(".");
  const full = words.map(word => word.toString(16)).join(":");
  return zone === undefined ? full : `${full}%${zone}`;
}

/** Range of addresses, as in 10.0.0.0/8 or fd00::/8. */
export interface HostRange {
  readonly base: Groups;
  readonly prefix: number;
  /** Bits of a group: 8 of IPv4, 16 of IPv6. */
  readonly width: number;
}

/**
 * Parses a range; undefined if the text is none (`CidrUtils.validate`). One whose base is IPv4 within IPv6 is none: no
 * client has such an address.
 */
export function parseHostRange(text: string): HostRange | undefined {
  const [address = "", bits = "", ...rest] = text.split("/");
  if (rest.length > 0 || !/^\d{1,3}$/.test(bits)) return undefined;
  const width = address.includes(":") ? 16 : 8;
  const base = width === 16 ? wordsOf(address) : bytesOf(address);
  if (base === undefined || (width === 16 && isMapped(base))) return undefined;
  const prefix = Number(bits);
  return prefix > base.length * width ? undefined : { base, prefix, width };
}

/** True if `host`, as `aclHost` gives it, is in the range. An address of the other family is not. */
export function isInRange({ base, prefix, width }: HostRange, host: string): boolean {
  const groups = width === 16 ? wordsOf(host.split("%", 1)[0] ?? "") : bytesOf(host);
  if (groups === undefined || !(width === 8 || host.includes(":"))) return false;
  return groups.every((group, at) => {
    const shared = Math.min(Math.max(prefix - at * width, 0), width);
    const ignored = width - shared;
    return group >>> ignored === (base[at] ?? 0) >>> ignored;
  });
}
