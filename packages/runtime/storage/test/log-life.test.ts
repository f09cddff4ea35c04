import { InvariantError } from "@samsa/base";
import { expect, test } from "vitest";
import { type LifeState, LogLife, PREVIOUS_LIFE_STATES } from "../src/log-life.ts";

/** Ways to each state from a new life. */
const WAYS: Record<LifeState, readonly LifeState[]> = { OPEN: [], CLOSING: ["CLOSING"], CLOSED: ["CLOSED"] };

test("a log is closed once, and never opened again", () => {
  for (const from of Object.keys(WAYS) as LifeState[]) {
    for (const to of Object.keys(WAYS) as LifeState[]) {
      const life = new LogLife();
      for (const state of WAYS[from]) life.enter(state);
      if (PREVIOUS_LIFE_STATES[to].includes(from)) life.enter(to);
      else expect(() => life.enter(to), `${from} -> ${to}`).toThrow(InvariantError);
      expect(life.isOpen && life.isClosed).toBe(false);
    }
  }
  expect(PREVIOUS_LIFE_STATES).toEqual({ OPEN: [], CLOSING: ["OPEN"], CLOSED: ["OPEN", "CLOSING"] });
});
