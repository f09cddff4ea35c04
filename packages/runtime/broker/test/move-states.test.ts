import { InvariantError } from "@samsa/base";
import { expect, test } from "vitest";
import { enter, type MoveState, PREVIOUS_MOVE_STATES } from "../src/replica/moves.ts";

test("a move goes on from state to state, and is not cancelled once the logs are swapped", () => {
  const legal = [
    "RETURNING -> COPYING",
    "COPYING -> ASSIGNED",
    "ASSIGNED -> SWAPPED",
    "RETURNING -> CANCELLED",
    "COPYING -> CANCELLED",
    "ASSIGNED -> CANCELLED",
  ];
  const states = Object.keys(PREVIOUS_MOVE_STATES) as MoveState[];
  const found = states.flatMap(to =>
    states.flatMap(from => {
      const move = { state: from };
      if (PREVIOUS_MOVE_STATES[to].includes(from)) {
        enter(move, to);
        expect(move.state).toBe(to);
        return [`${from} -> ${to}`];
      }
      expect(() => enter(move, to)).toThrow(InvariantError);
      return [];
    }),
  );
  expect(found).toEqual(legal);
});
