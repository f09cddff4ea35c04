import type { PreviousStates } from "@samsa/base";
import { expect, test } from "vitest";
import { PREVIOUS_CLASSIC_STATES } from "../src/group/classic-states.ts";
import { PREVIOUS_MEMBER_STATES } from "../src/group/member-states.ts";

function pairs<S extends string>(previous: PreviousStates<S>): string[] {
  const table: Readonly<Record<string, readonly string[]>> = previous;
  return Object.entries(table).flatMap(([to, from]) => from.map(state => `${state} -> ${to}`));
}

test("a member goes where Kafka's MemberState goes", () => {
  const active = ["JOINING", "STABLE", "RECONCILING", "ACKNOWLEDGING"];
  const kafka = [
    ...["JOINING", "ACKNOWLEDGING", "RECONCILING"].map(from => `${from} -> STABLE`),
    ...["STABLE", "JOINING", "ACKNOWLEDGING", "RECONCILING"].map(from => `${from} -> RECONCILING`),
    "RECONCILING -> ACKNOWLEDGING",
    ...[...active, "PREPARE_LEAVING", "LEAVING", "UNSUBSCRIBED"].map(from => `${from} -> FATAL`),
    ...[...active, "PREPARE_LEAVING", "LEAVING"].map(from => `${from} -> FENCED`),
    ...["FENCED", "UNSUBSCRIBED", "STALE"].map(from => `${from} -> JOINING`),
    ...[...active, "UNSUBSCRIBED"].map(from => `${from} -> PREPARE_LEAVING`),
    "PREPARE_LEAVING -> LEAVING",
    ...["PREPARE_LEAVING", "LEAVING", "FENCED"].map(from => `${from} -> UNSUBSCRIBED`),
    "LEAVING -> STALE",
  ];
  expect(pairs(PREVIOUS_MEMBER_STATES).toSorted()).toEqual(kafka.toSorted());
});

test("a classic member is in its group only by way of a join and a sync", () => {
  expect(PREVIOUS_CLASSIC_STATES.STABLE).toEqual(["SYNCING"]);
  expect(PREVIOUS_CLASSIC_STATES.SYNCING).toEqual(["JOINING"]);
  expect(PREVIOUS_CLASSIC_STATES.UNSUBSCRIBED).toEqual(["LEAVING"]);
  expect(pairs(PREVIOUS_CLASSIC_STATES).filter(pair => pair.startsWith("FATAL"))).toEqual([]);
});
