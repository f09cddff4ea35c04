import { expect, test } from "vitest";
import { partitionFor } from "../src/coordinator/shards.ts";

// Kafka takes the absolute value of a negative hash, which is not the same as clearing its highest bit.
test.each([
  ["copier-0", 3, 1],
  ["copier-1", 3, 0],
  ["copier-2", 3, 2],
  ["copier-2", 50, 31],
  ["consumer-group-1", 50, 20],
  // The hash is the least integer, which has no absolute value.
  ["polygenelubricants", 50, 0],
])("the coordinator of %s is found in the partition of %d where Kafka finds it", (key, count, partition) => {
  expect(partitionFor(key, count)).toBe(partition);
});
