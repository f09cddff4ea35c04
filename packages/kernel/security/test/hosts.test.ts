import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aclHost, isInRange, parseHostRange } from "../src/hosts.ts";

const inRange = (range: string, host: string): boolean => {
  const parsed = parseHostRange(range);
  return parsed !== undefined && isInRange(parsed, aclHost(host));
};

describe("addresses of clients", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["::", "0:0:0:0:0:0:0:0"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::FFFF:0a01:0203", "10.1.2.3"],
    ["2001:DB8::8:800:200C:417A", "2001:db8:0:0:8:800:200c:417a"],
    ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1%eth0"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["somewhere", "somewhere"],
    ["1::2::3", "1::2::3"],
    ["1:2:3:4:5:6:7", "1:2:3:4:5:6:7"],
    ["1:2:3:4:5:6:7:12345", "1:2:3:4:5:6:7:12345"],
  ])("are written as Java writes them: %s", (address, text) => {
    expect(aclHost(address)).toBe(text);
  });
});

describe("ranges of addresses", () => {
  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.1.2.3/8", "10.9.9.9", true],
    ["192.168.1.64/26", "192.168.1.127", true],
    ["192.168.1.64/26", "192.168.1.128", false],
    ["192.168.1.5/32", "192.168.1.5", true],
    ["192.168.1.5/32", "192.168.1.4", false],
    ["192.168.1.4/31", "192.168.1.5", true],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "::1", false],
    ["10.0.0.0/8", "::ffff:10.0.0.1", true],
    ["fd00::/8", "fd12:3456::1", true],
    ["fd00::/8", "fe00::1", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["::/0", "::1", true],
    ["::/0", "10.0.0.1", false],
    ["::1/128", "::1", true],
    ["fe80::/10", "fe80::1%eth0", true],
    // Base of IPv4 in the old notation: an address of IPv6.
    ["::192.168.1.0/24", "192.168.1.5", false],
    ["::192.168.1.0/24", "::1", true],
    ["::192.168.1.0/24", "::c0a8:105", true],
    ["::192.168.1.0/24", "2001:db8::1", false],
  ])("%s has %s: %s", (range, host, expected) => {
    expect(inRange(range, host)).toBe(expected);
  });

  test.each([
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0/8",
    "10.0.0.256/8",
    "::/129",
    "10.0.0.0/",
    "/8",
    "a/8",
    "1::2::3/8",
    "10.0.0.0/8/8",
    "::ffff:192.168.1.0/24",
    "::ffff:c0a8:100/120",
    "10.0.0.0/ 8",
    "fd00::1%eth0/64",
    "10.0.0.0/-1",
  ])("no range: %s", text => {
    expect(parseHostRange(text)).toBeUndefined();
  });
});

/** An address as a number, which is all that the model knows. */
type Address = { readonly bits: 32 | 128; readonly value: bigint };

const groupsOf = ({ bits, value }: Address, width: bigint): bigint[] => {
  const count = BigInt(bits) / width;
  return Array.from(
    { length: Number(count) },
    (_, i) => (value >> (width * (count - 1n - BigInt(i)))) & ((1n << width) - 1n),
  );
};
const bytesText = (value: bigint): string => groupsOf({ bits: 32, value }, 8n).join(".");

/** A way to write an address: from which group on zeros are left out, whether letters are capital, how IPv4 is written. */
interface Form {
  readonly from: number;
  readonly isUpper: boolean;
  readonly isPadded: boolean;
  readonly hasBytes: boolean;
}

function written(address: Address, { from, isUpper, isPadded, hasBytes }: Form): string {
  if (address.bits === 32) return bytesText(address.value);
  const groups = groupsOf(address, 16n).map(group => group.toString(16).padStart(isPadded ? 4 : 1, "0"));
  const parts = hasBytes ? [...groups.slice(0, 6), bytesText(address.value & 0xffffffffn)] : groups;
  let end = from;
  while (end < (hasBytes ? 6 : 8) && /^0+$/.test(parts[end])) end++;
  const text = end > from ? `${parts.slice(0, from).join(":")}::${parts.slice(end).join(":")}` : parts.join(":");
  return isUpper ? text.toUpperCase() : text;
}

const MAPPED = 0xffffn;
const isMapped = ({ bits, value }: Address): boolean => bits === 128 && value >> 32n === MAPPED;

function modelHost(address: Address): string {
  if (address.bits === 32 || isMapped(address)) return bytesText(address.value & 0xffffffffn);
  return groupsOf(address, 16n)
    .map(group => group.toString(16))
    .join(":");
}

const words = fc.array(fc.constantFrom(0n, 0n, 1n, 0x80n, 0xffffn, 0x7fffn, 0xfd00n), { minLength: 8, maxLength: 8 });
const joined = (groups: readonly bigint[], width: bigint): bigint =>
  groups.reduce((all, group) => (all << width) | group, 0n);
const addresses: fc.Arbitrary<Address> = fc.oneof(
  fc
    .array(fc.constantFrom(0n, 1n, 10n, 127n, 128n, 255n), { minLength: 4, maxLength: 4 })
    .map(bytes => ({ bits: 32 as const, value: joined(bytes, 8n) })),
  words.map(groups => ({ bits: 128 as const, value: joined(groups, 16n) })),
  fc.bigInt(0n, 0xffffffffn).map(low => ({ bits: 128 as const, value: (MAPPED << 32n) | low })),
);
const forms: fc.Arbitrary<Form> = fc.record({
  from: fc.nat(7),
  isUpper: fc.boolean(),
  isPadded: fc.boolean(),
  hasBytes: fc.boolean(),
});

describe("addresses beside numbers", () => {
  test("all ways to write an address mean the same", () => {
    fc.assert(
      fc.property(addresses, forms, (address, form) => {
        const text = written(address, form);
        expect(aclHost(text)).toBe(modelHost(address));
        expect(aclHost(aclHost(text))).toBe(modelHost(address));
      }),
      { numRuns: 1500 },
    );
  });

  test("a range has the addresses of its kind whose first bits are its own", () => {
    const flips = fc.option(fc.nat(127), { nil: undefined });
    fc.assert(
      fc.property(addresses, forms, fc.nat(128), flips, addresses, (base, form, anyPrefix, flip, other) => {
        const prefix = anyPrefix % (base.bits + 1);
        const range = parseHostRange(`${written(base, form)}/${prefix}`);
        if (isMapped(base)) {
          expect(range).toBeUndefined();
          return;
        }
        expect(range).toBeDefined();
        // An address near the border of the range, or any.
        const near = flip === undefined ? other : { ...base, value: base.value ^ (1n << BigInt(flip % base.bits)) };
        for (const host of [base, near, other]) {
          const bits = host.bits === 32 || isMapped(host) ? 32 : 128;
          const value = bits === 32 ? host.value & 0xffffffffn : host.value;
          const ignored = BigInt(base.bits - prefix);
          const expected = bits === base.bits && value >> ignored === base.value >> ignored;
          expect(range !== undefined && isInRange(range, modelHost(host))).toBe(expected);
        }
      }),
      { numRuns: 1500 },
    );
  });

  test("any text is an address, or stays as it is", () => {
    const parts = fc.constantFrom(":", "::", "0", "1", "ffff", "10.0.0.1", "1.2", "g", "%", "/", ".", "256", "12345");
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 10 }), some => {
        const text = some.join("");
        const host = aclHost(text);
        if (host === text) return;
        expect(host).toMatch(/^([\da-f]{1,4}(:[\da-f]{1,4}){7}(%.*)?|\d+(\.\d+){3})$/);
        expect(aclHost(host)).toBe(host);
      }),
      { numRuns: 1500 },
    );
  });
});
