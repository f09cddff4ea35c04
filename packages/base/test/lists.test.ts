import { expect, test } from "vitest";
import { groupBy, sameItems } from "../src/index.ts";

test("groups keep the order of their keys and of their items", () => {
  const items = ["b1", "a1", "b2", "c1", "a2"];
  expect([...groupBy(items, item => item.slice(0, 1))]).toEqual([
    ["b", ["b1", "b2"]],
    ["a", ["a1", "a2"]],
    ["c", ["c1"]],
  ]);
});

test("lists are the same if their items are, in the same order", () => {
  expect([sameItems([1, 2], [1, 2]), sameItems([1, 2], [2, 1]), sameItems([1], [1, 2])]).toEqual([true, false, false]);
});
