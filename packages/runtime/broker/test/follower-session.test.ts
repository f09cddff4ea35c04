import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { expect, test } from "vitest";
import { FollowerSession, type SessionMember } from "../src/replica/follower-session.ts";

const TOPIC = "AAAAAAAAAAAAAAAAAAAAZQ" as Uuid;
const member = (index: number): SessionMember => ({ topicId: TOPIC, index });

function begun(...members: SessionMember[]): FollowerSession<SessionMember> {
  const session = new FollowerSession<SessionMember>();
  expect([session.id, session.epoch, session.isNew]).toEqual([0, 0, true]);
  for (const one of members) session.add(one);
  expect(session.answered(0, 7)).toBe(true);
  return session;
}

test("each answer moves the epoch on", () => {
  const session = begun(member(0));
  expect([session.id, session.epoch, session.isNew, session.size]).toEqual([7, 1, false, 1]);
  session.answered(0, 7);
  expect([session.id, session.epoch]).toEqual([7, 2]);
});

test("the leader forgets partitions that are gone, once, and not those that are back", () => {
  const [one, two] = [member(1), member(2)];
  const session = begun(one, two);
  session.remove(one);
  session.remove(two);
  session.remove(two);
  session.add(member(2));
  expect(session.takeForgotten()).toEqual([one]);
  expect(session.takeForgotten()).toEqual([]);
  session.remove(two);
  expect(session.takeForgotten(), "another one is in its place").toEqual([]);
});

test("a session that is lost, or that the leader has no room for, begins anew with all partitions", () => {
  for (const name of ["FETCH_SESSION_ID_NOT_FOUND", "INVALID_FETCH_SESSION_EPOCH"] as const) {
    const session = begun(member(1));
    expect(session.answered(Errors[name].code, 0)).toBe(false);
    // The id goes along, so that the leader can end the old session.
    expect([session.id, session.epoch, session.isNew, session.size]).toEqual([7, 0, true, 0]);
  }
  const other = begun(member(1));
  expect([other.answered(Errors.UNKNOWN_SERVER_ERROR.code, 0), other.isNew]).toEqual([false, false]);
  const full = new FollowerSession<SessionMember>();
  expect([full.answered(0, 0), full.isNew, full.id]).toEqual([true, true, 0]);
});
