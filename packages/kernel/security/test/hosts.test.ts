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
    "10.0.0.0/-1",
  ])("no range: %s", text => {
    expect(parseHostRange(text)).toBeUndefined();
  });
});
