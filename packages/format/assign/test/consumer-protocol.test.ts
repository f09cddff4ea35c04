import { MalformedError } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from "../src/index.ts";
import { subscription } from "./groups.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const full = subscription(["b", "a"], {
  userData: Uint8Array.of(9),
  owned: [
    { topic: "b", partition: 2 },
    { topic: "a", partition: 1 },
    { topic: "b", partition: 0 },
  ],
  generation: 5,
  rack: "r",
});

test("a subscription is written as Kafka writes it", () => {
  const topics = "00000002" + "000161" + "000162";
  const owned = "00000002" + "000161" + "0000000100000001" + "000162" + "000000020000000000000002";
  expect(hex(encodeSubscription(full))).toBe(`0003${topics}0000000109${owned}00000005000172`);
  expect(hex(encodeSubscription(full, 0))).toBe(`0000${topics}0000000109`);
});

test.each([0, 1, 2, 3])("a subscription of version %i is read as far as it goes", version => {
  const read = decodeSubscription(encodeSubscription(full, version));
  expect(read.topics).toEqual(["a", "b"]);
  expect(read.userData).toEqual(Uint8Array.of(9));
  expect(read.owned.length).toBe(version >= 1 ? 3 : 0);
  expect(read.generation).toBe(version >= 2 ? 5 : -1);
  expect(read.rack).toBe(version >= 3 ? "r" : null);
});

test("a version that is not known is read as the last one", () => {
  const later = Uint8Array.from([...encodeSubscription(full), 1, 2, 3]);
  later[1] = 9;
  expect(decodeSubscription(later)).toEqual(decodeSubscription(encodeSubscription(full)));
  const partitions = [{ topic: "a", partition: 3 }];
  const assignment = Uint8Array.from([...encodeAssignment({ partitions, userData: null }), 7]);
  assignment[1] = 8;
  expect(decodeAssignment(assignment)).toEqual({ partitions, userData: null });
});

test("an empty rack is none", () => {
  expect(decodeSubscription(encodeSubscription({ ...full, rack: "" })).rack).toBeNull();
});

test("nonsense is malformed, whatever it is", () => {
  expect(() => decodeSubscription(new Uint8Array(0))).toThrow(MalformedError);
  expect(() => decodeSubscription(Uint8Array.of(0xff, 0xff))).toThrow(MalformedError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      for (const decode of [decodeSubscription, decodeAssignment]) {
        try {
          decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }
    }),
  );
});
