import { ApiKey } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { BrokerLink, type LinkOptions } from "../src/index.ts";
import { AT, Fixture, OPTIONS } from "./fake-broker.ts";

const METADATA_REPLY = { brokers: [], topics: [] };
const ask = (link: BrokerLink) => link.call("Metadata", { topics: null });
const linkOf = (fixture: Fixture, options: Partial<LinkOptions> = {}): BrokerLink =>
  new BrokerLink(fixture.env, AT, { ...OPTIONS, ...options });

async function answering(): Promise<Fixture> {
  const fixture = await Fixture.start();
  fixture.script = request => request.key === ApiKey.Metadata && request.reply(METADATA_REPLY);
  return fixture;
}

describe("a link", () => {
  test("connects on demand, once for all callers", async () => {
    const fixture = await answering();
    const link = linkOf(fixture);
    await fixture.settled(
      Promise.all([ask(link), ask(link), link.tell("Produce", { acks: 0, timeoutMs: 1, topicData: [] })]),
    );
    await fixture.settled(ask(link));
    expect(fixture.accepted).toBe(1);
    expect(await link.ready()).toBe(await link.ready());
  });

  test("connects again after the connection is lost, and repeats no request", async () => {
    const fixture = await answering();
    const link = linkOf(fixture);
    await fixture.settled(ask(link));
    fixture.script = () => {};
    const lost = ask(link);
    await fixture.world.runFor(10);
    fixture.world.network.sever("client", "broker");
    expect((await fixture.failed(lost)).code).toBe("DISCONNECTED");
    fixture.script = request => request.reply(METADATA_REPLY);
    await fixture.settled(ask(link));
    expect([fixture.accepted, fixture.requests.length]).toEqual([2, 5]);
  });

  test("waits longer after each failure, then as at first", async () => {
    const fixture = new Fixture(1);
    fixture.script = request => request.reply(METADATA_REPLY);
    const link = linkOf(fixture);
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const began = fixture.world.now();
      expect((await fixture.failed(ask(link))).code).toBe("CONNECTION_FAILED");
      waits.push(fixture.world.now() - began);
    }
    // Each attempt takes a few ms; the delay before it is 50 ms, doubled up to 1 s, with 20 % jitter.
    [0, 50, 100, 200, 400, 800, 1000, 1000].forEach((delay, i) => {
      expect(waits[i], `attempt ${i}`).toBeGreaterThanOrEqual(delay * 0.8 - 1);
      expect(waits[i], `attempt ${i}`).toBeLessThanOrEqual(Math.min(delay * 1.2, 1000) + 5);
    });
    expect(new Set(waits.slice(5).map(Math.round)).size).toBeGreaterThan(1);
    await fixture.listen();
    await fixture.settled(ask(link));
    fixture.world.network.sever("client", "broker");
    await fixture.world.runFor(10);
    const began = fixture.world.now();
    await fixture.settled(ask(link));
    expect(fixture.world.now() - began).toBeLessThan(100);
  });

  test("gives a slow server more time to connect after each failure", async () => {
    const fixture = await Fixture.start();
    fixture.world.network.cut("client", "broker");
    const link = linkOf(fixture, { reconnectBackoffMs: 0, maxReconnectBackoffMs: 0 });
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      const began = fixture.world.now();
      expect((await fixture.failed(ask(link))).code).toBe("SETUP_TIMED_OUT");
      waits.push((fixture.world.now() - began) / 1000);
    }
    [10, 20, 30, 30].forEach((seconds, i) => {
      expect(waits[i]).toBeGreaterThanOrEqual(seconds * 0.8);
      expect(waits[i]).toBeLessThanOrEqual(Math.min(seconds * 1.2, 30));
    });
  });

  test("that is disconnected drops its requests, and connects again on demand", async () => {
    const fixture = await Fixture.start();
    const link = linkOf(fixture);
    const dropped = ask(link);
    await fixture.world.runFor(20);
    link.disconnect();
    expect((await fixture.failed(dropped)).code).toBe("CLOSED");
    fixture.script = request => request.reply(METADATA_REPLY);
    await fixture.settled(ask(link));
    expect(fixture.connections.size).toBe(1);
  });

  test("that is disconnected abandons an attempt, also one that waits", async () => {
    const fixture = await answering();
    const link = linkOf(fixture);
    const [early, late] = [ask(link), ask(link)];
    await fixture.world.runUntil(() => fixture.accepted === 1);
    link.disconnect();
    const again = ask(link);
    expect((await fixture.failures([early, late])).map(({ code }) => code)).toEqual(["CLOSED", "CLOSED"]);
    await fixture.settled(again);
    await fixture.world.runFor(10);
    expect(fixture.connections.size).toBe(1);

    fixture.world.network.sever("client", "broker");
    await fixture.world.runFor(1);
    const waiting = ask(link);
    link.disconnect();
    expect((await fixture.failed(waiting)).code).toBe("CLOSED");
    expect(fixture.accepted).toBe(2);
  });
});
