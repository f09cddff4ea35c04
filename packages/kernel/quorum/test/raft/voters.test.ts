import { ZERO_UUID } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Peers } from "../../src/raft/peers.ts";
import { Election, isVoter, majorityOf, sameReplica } from "../../src/raft/voters.ts";
import { directoryOf, keyOf } from "./replica.ts";

describe("keys of replicas", () => {
  test("name the same one if the voter's directory is unknown, or is that of the replica", () => {
    const unknown = { id: 1, directoryId: ZERO_UUID };
    expect(sameReplica(keyOf(1), keyOf(1))).toBe(true);
    expect(sameReplica(keyOf(1), keyOf(2))).toBe(false);
    expect(sameReplica(keyOf(1), { id: 1, directoryId: directoryOf(9) })).toBe(false);
    expect(sameReplica(unknown, keyOf(1))).toBe(true);
    expect(sameReplica(unknown, unknown)).toBe(true);
    // A replica that does not tell its directory is not the voter with one.
    expect(sameReplica(keyOf(1), unknown)).toBe(false);
    expect(isVoter([keyOf(1), keyOf(2)], keyOf(2))).toBe(true);
    expect(isVoter([keyOf(1), keyOf(2)], { id: 2, directoryId: directoryOf(9) })).toBe(false);
    expect(isVoter([], keyOf(1))).toBe(false);
  });

  test("make a majority of more than half", () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(count => majorityOf(Array(count).fill(0)))).toEqual([1, 2, 2, 3, 3, 4, 4]);
  });
});

test("an election counts each voter once, and a granted vote stays", () => {
  const votes = fc.array(fc.tuple(fc.integer({ min: 1, max: 7 }), fc.boolean()), { maxLength: 14 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }), votes, (count, self, all) => {
      const voters = Array.from({ length: count }, (_, i) => keyOf(i + 1));
      const election = new Election(voters, self);
      const counted = new Map<number, boolean>(self <= count ? [[self, true]] : []);
      for (const [id, isGranted] of all) {
        election.record(id, isGranted);
        if (id <= count) counted.set(id, isGranted || counted.get(id) === true);
      }
      const granted = [...counted].filter(([, isGranted]) => isGranted).map(([id]) => id);
      const refused = counted.size - granted.length;
      expect(new Set(election.granting)).toEqual(new Set(granted));
      expect(election.open).toEqual(voters.filter(({ id }) => !counted.has(id)));
      expect(election.isWon).toBe(granted.length > count / 2);
      // Lost: even the open votes would not make a majority.
      expect(election.isLost).toBe(count - refused <= count / 2);
      expect(election.isWon && election.isLost).toBe(false);
    }),
    { numRuns: 300 },
  );
});

describe("calls to other nodes", () => {
  const TIMEOUT = 100;
  const BACKOFF = 10;
  interface Step {
    readonly do: "send" | "answer" | "late" | "pause" | "expire" | "reset";
    readonly id: number;
    readonly wait: number;
  }
  const steps = fc.array(
    fc.record({
      do: fc.constantFrom<Step["do"]>("send", "send", "answer", "late", "pause", "expire", "expire", "reset"),
      id: fc.integer({ min: 1, max: 3 }),
      wait: fc.constantFrom(0, 1, 9, 10, 50, 100),
    }),
    { maxLength: 40, size: "max" },
  );

  test("are one at a time, until they are answered or given up", () => {
    fc.assert(
      fc.property(steps, all => {
        const peers = new Peers(TIMEOUT, BACKOFF);
        const model = new Map<number, { readonly call: number | undefined; readonly until: number }>();
        const old: number[] = [];
        let now = 0;
        let numbers = 0;
        for (const { do: what, id, wait } of all) {
          now += wait;
          const known = model.get(id);
          if (what === "send" && (known === undefined || now >= known.until)) {
            if (known?.call !== undefined) old.push(known.call);
            const call = peers.sent(id, now);
            expect(call).toBe(++numbers);
            model.set(id, { call, until: now + TIMEOUT });
          } else if (what === "answer" && known?.call !== undefined) {
            expect(peers.nodeOf(known.call)).toBe(id);
            expect(peers.answered(known.call)).toBe(true);
            old.push(known.call);
            model.delete(id);
          } else if (what === "late" && old.length > 0) {
            expect(peers.nodeOf(old[0])).toBeUndefined();
            expect(peers.answered(old[0])).toBe(false);
          } else if (what === "pause") {
            if (known?.call !== undefined) old.push(known.call);
            peers.pause(id, now);
            model.set(id, { call: undefined, until: now + BACKOFF });
          } else if (what === "expire") {
            peers.expire(now);
            for (const [each, { call, until }] of model) {
              if (now < until) continue;
              if (call !== undefined) old.push(call);
              model.delete(each);
            }
          } else if (what === "reset") {
            peers.reset();
            for (const { call } of model.values()) if (call !== undefined) old.push(call);
            model.clear();
          }
          for (const each of [1, 2, 3]) {
            const until = model.get(each)?.until;
            expect(peers.isReady(each, now)).toBe(until === undefined || now >= until);
          }
          expect(peers.isAnyWaiting).toBe([...model.values()].some(({ call }) => call !== undefined));
          expect(peers.next()).toBe(Math.min(Infinity, ...[...model.values()].map(({ until }) => until)));
        }
      }),
      { numRuns: 300 },
    );
  });
});
