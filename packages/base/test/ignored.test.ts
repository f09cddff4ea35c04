import { expect, test } from "vitest";
import { ignored, InvariantError } from "../src/index.ts";

test("an ignored event has a reason", () => {
  expect(ignored("the reply was sent already")()).toBeUndefined();
  expect(() => ignored("")).toThrow(InvariantError);
});
