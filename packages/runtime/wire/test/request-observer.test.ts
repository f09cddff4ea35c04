import { describe, expect, test } from "vitest";
import { BrokerConnection, type ConnectionOptions, type RequestObserver, type SentRequest } from "../src/index.ts";
import { AT, Fixture, OPTIONS } from "./fake-broker.ts";

const METADATA = { topics: null };
const METADATA_REPLY = { brokers: [], topics: [] };

/** Observer that keeps what it hears. */
class Notes implements RequestObserver {
  isListening = true;
  readonly answers: { readonly request: SentRequest; readonly durationMs: number; readonly size: number }[] = [];
  readonly late: SentRequest[] = [];
  readonly counts: number[] = [];

  answered(request: SentRequest, durationMs: number, size: number): void {
    this.answers.push({ request, durationMs, size });
  }

  timedOut(request: SentRequest): void {
    this.late.push(request);
  }

  waiting(endpoint: object, clientId: string, count: number): void {
    expect([endpoint, clientId]).toEqual([AT, "test"]);
    this.counts.push(count);
  }

  get names(): string[] {
    return this.answers.map(({ request }) => request.api.name);
  }
}

const connected = (
  fixture: Fixture,
  observer: RequestObserver,
  options: Partial<ConnectionOptions> = {},
): Promise<BrokerConnection> =>
  fixture.settled(BrokerConnection.connect(fixture.env, AT, { ...OPTIONS, observer, ...options }));

describe("an observer of requests", () => {
  test("hears of each answer: what was asked, how long that took, and how large it is", async () => {
    const fixture = await Fixture.start();
    const notes = new Notes();
    const connection = await connected(fixture, notes);
    const sentAt = fixture.env.clock.now();
    const { timers } = fixture.world.node("broker").env;
    fixture.script = request => timers.after(250, () => request.reply(METADATA_REPLY));
    await fixture.settled(connection.call("Metadata", METADATA));
    expect(notes.names).toEqual(["ApiVersions", "Metadata"]);
    const { request, durationMs, size } = notes.answers[1];
    expect(request).toMatchObject({
      endpoint: AT,
      clientId: "test",
      version: 9,
      correlationId: 2,
      waitedMs: 0,
      sentAt,
    });
    expect([request.api.key, Math.round(durationMs) >= 250, size > 8, notes.counts]).toEqual([3, true, true, []]);
  });

  test("hears of a request without a response once it is sent", async () => {
    const fixture = await Fixture.start();
    const notes = new Notes();
    const connection = await connected(fixture, notes);
    await fixture.settled(connection.tell("Produce", { acks: 0, timeoutMs: 1, topicData: [] }));
    expect(notes.answers[1]).toMatchObject({ request: { api: { name: "Produce" } }, size: 0 });
  });

  test("hears of the requests that wait, and of their time", async () => {
    const fixture = await Fixture.start();
    const notes = new Notes();
    const connection = await connected(fixture, notes, { maxInFlight: 1 });
    const held: (() => void)[] = [];
    fixture.script = request => held.push(() => request.reply(METADATA_REPLY));
    const calls = Array.from({ length: 3 }, () => connection.call("Metadata", METADATA));
    await fixture.world.runFor(100);
    expect(notes.counts).toEqual([1, 2]);
    held[0]();
    await fixture.world.runFor(100);
    held[1]();
    await fixture.world.runFor(100);
    held[2]();
    await fixture.settled(Promise.all(calls));
    expect(notes.counts).toEqual([1, 2, 1, 0]);
    const waited = notes.answers.slice(1).map(({ request }) => Math.floor(request.waitedMs / 100));
    expect(waited).toEqual([0, 1, 2]);
  });

  test("hears of a request that times out, and that nothing waits for the closed connection", async () => {
    const fixture = await Fixture.start();
    const notes = new Notes();
    const connection = await connected(fixture, notes, { maxInFlight: 1, requestTimeoutMs: 500 });
    const calls = [connection.call("Metadata", METADATA), connection.call("ListGroups", {})];
    await fixture.failures(calls);
    expect(notes.late.map(({ api, correlationId }) => [api.name, correlationId])).toEqual([["Metadata", 2]]);
    expect([notes.names, notes.counts]).toEqual([["ApiVersions"], [1, 0]]);
  });

  test("hears of nothing while it does not listen, and then only of requests that are sent later", async () => {
    const fixture = await Fixture.start();
    const notes = new Notes();
    notes.isListening = false;
    const connection = await connected(fixture, notes, { maxInFlight: 1 });
    const held: (() => void)[] = [];
    fixture.script = request => held.push(() => request.reply(METADATA_REPLY));
    const calls = [connection.call("Metadata", METADATA), connection.call("Metadata", METADATA)];
    await fixture.world.runFor(100);
    notes.isListening = true;
    held[0]();
    await fixture.world.runFor(100);
    expect([notes.names, notes.counts]).toEqual([[], []]);
    held[1]();
    await fixture.settled(Promise.all(calls));
    expect(notes.names).toEqual(["Metadata"]);
  });

  test("does not disturb requests if it fails", async () => {
    const fixture = await Fixture.start();
    const fail = (): never => {
      throw new Error("an observer");
    };
    const broken = { isListening: true, answered: fail, timedOut: fail, waiting: fail };
    const connection = await connected(fixture, broken, { maxInFlight: 1 });
    fixture.script = request => request.reply(METADATA_REPLY);
    await fixture.settled(Promise.all([1, 2].map(() => connection.call("Metadata", METADATA))));
    expect(connection.isOpen).toBe(true);
  });
});
