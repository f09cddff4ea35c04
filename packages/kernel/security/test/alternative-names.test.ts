import { MalformedError } from "@samsa/base";
import { Authority } from "@samsa/certificates";
import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { alternativeNames } from "../src/alternative-names.ts";

const authority = new Authority();
const certificate = (hosts: readonly string[]): Uint8Array =>
  new X509Certificate(authority.issue({ name: "broker", hosts }).cert).raw;

test("names beside the subject are those of the extension, in its order", () => {
  const names = alternativeNames(certificate(["localhost", "10.0.0.1", "*.example.org"]));
  expect(names).toEqual(["DNS:localhost", "IP:10.0.0.1", "DNS:*.example.org"]);
  expect(alternativeNames(certificate([]))).toEqual([]);
});

test("a certificate that ends early has no names", () => {
  const whole = certificate(["localhost"]);
  for (let length = 0; length < whole.length; length += 7) {
    expect(() => alternativeNames(whole.subarray(0, length))).toThrow(MalformedError);
  }
});
