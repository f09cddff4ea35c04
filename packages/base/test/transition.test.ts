import { expect, test } from "vitest";
import { checkTransition, InvariantError, type PreviousStates } from "../src/index.ts";

const DOOR: PreviousStates<"open" | "closed" | "bricked up"> = {
  open: ["closed"],
  closed: ["open", "closed"],
  "bricked up": ["closed"],
};

test("a transition is one that the table lists", () => {
  checkTransition(DOOR, "open", "closed");
  checkTransition(DOOR, "closed", "closed");
  checkTransition(DOOR, "closed", "bricked up");
  expect(() => checkTransition(DOOR, "open", "bricked up")).toThrow(InvariantError);
  expect(() => checkTransition(DOOR, "bricked up", "open")).toThrow("no transition from bricked up to open");
});
