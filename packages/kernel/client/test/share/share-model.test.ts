import { fromUtf8 } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type AcquiredRecords,
  DEFAULT_SHARE_FETCH_OPTIONS,
  KafkaError,
  type ShareEffect,
  ShareFetcher,
  type ShareFetchOptions,
} from "../../src/index.ts";
import { tools } from "../fetch/model-log.ts";
import { MEMBER, ModelBrokers } from "./model-share-brokers.ts";

type Request = Extract<ShareEffect, { readonly ticket: number }>;
interface Held {
  readonly acquired: AcquiredRecords;
  readonly slot: number;
  readonly offset: number;
  readonly count: number;
}

const BROKERS = 3;
const PARTITIONS = 4;

/** A member among brokers: all that happens is told by the commands of a test. */
class Scene {
  readonly brokers = new ModelBrokers(PARTITIONS, BROKERS);
  readonly fetcher: ShareFetcher;
  now = 0;
  readonly held: Held[] = [];
  readonly requests: Request[] = [];
  readonly commits = new Map<number, boolean>();
  /** Deliveries as partition/offset/count: none comes twice. */
  readonly seen = new Set<string>();
  lateness = 0;

  constructor(options: Partial<ShareFetchOptions>) {
    this.fetcher = new ShareFetcher(
      { ...DEFAULT_SHARE_FETCH_OPTIONS, groupId: "g", memberId: MEMBER, tools, ...options },
      this.brokers,
    );
    this.fetcher.assign(this.brokers.places);
  }

  get moment() {
    return { now: this.now, wall: 0, chance: 0.5 };
  }

  poll(): void {
    for (let rounds = 0; ; rounds++) {
      const effects = this.fetcher.poll(this.moment);
      for (const effect of effects) this.#note(effect);
      if (effects.length === 0 && this.fetcher.nextDeadline() > this.now) return;
      if (rounds > 20) throw new Error("it does not come to rest");
    }
  }

  #note(effect: ShareEffect): void {
    switch (effect.type) {
      case "shareFetch":
      case "shareAcknowledge":
        if (this.requests.some(({ brokerId }) => brokerId === effect.brokerId)) throw new Error("two at a time");
        this.requests.push(effect);
        break;
      case "committed":
        expect(this.commits.get(effect.token)).toBe(false);
        this.commits.set(effect.token, true);
        break;
      case "acknowledged":
        // Only what time, a lost connection or another leader has taken away may be refused.
        if (effect.error !== undefined) this.lateness++;
        break;
      case "unreadable":
        throw effect.error;
      default:
    }
  }

  take(count: number): void {
    for (let i = 0; i < count; i++) {
      const taken = this.fetcher.take(this.now);
      if (taken instanceof KafkaError) throw taken;
      if (taken === undefined) {
        this.fetcher.want(count);
        break;
      }
      if (!taken.next(this.now)) continue;
      const { partition, deliveryCount, slot } = taken;
      const { offset } = taken.record;
      expect(fromUtf8(taken.record.value() ?? new Uint8Array(0))).toBe(String(offset));
      const key = `${partition}/${offset}/${deliveryCount}`;
      expect(this.seen.has(key)).toBe(false);
      this.seen.add(key);
      expect(taken.isLost(slot, this.now)).toBe(false);
      this.held.push({ acquired: taken, slot, offset, count: deliveryCount });
    }
    this.poll();
  }

  acknowledge(index: number, type: "accept" | "release" | "reject" | "renew"): void {
    const at = this.held.length === 0 ? -1 : index % this.held.length;
    const held = this.held[at];
    if (held === undefined) return;
    const { acquired, slot, offset, count } = held;
    if (type !== "renew") {
      this.held.splice(at, 1);
      // Only what can still be sent is meant to have an effect.
      if (!acquired.isLost(slot, this.now)) this.brokers.partitions[acquired.partition].meant.set(offset, count);
    }
    this.fetcher.acknowledge(acquired, slot, type, this.now);
    this.poll();
  }

  commit(): void {
    const token = this.fetcher.commit();
    this.commits.set(token, false);
    this.poll();
  }

  /** Answers a request, or loses it before or after the broker has it. */
  answer(index: number, fate: "answer" | "lose" | "lose answer" | "session"): void {
    if (this.requests.length === 0) return;
    const [request] = this.requests.splice(index % this.requests.length, 1);
    const { ticket, brokerId } = request;
    if (fate === "session") this.brokers.disconnect(brokerId);
    const answer = fate === "lose" ? undefined : this.#handle(request);
    if (fate === "lose" || fate === "lose answer" || answer === undefined) {
      this.brokers.disconnect(brokerId);
      this.fetcher.failed(ticket, new KafkaError("DISCONNECTED", "lost"), this.moment);
    } else answer();
    this.poll();
  }

  #handle(request: Request): () => void {
    const { ticket, brokerId } = request;
    if (request.type === "shareFetch") {
      const answer = this.brokers.fetch(this.now, request);
      return () => this.fetcher.fetched(ticket, answer, this.moment);
    }
    const answer = this.brokers.acknowledge(this.now, brokerId, request.request(2));
    return () => this.fetcher.acknowledged(ticket, answer, 2, this.moment);
  }

  pass(ms: number): void {
    this.now += ms;
    this.poll();
  }
}

const index = fc.nat({ max: 9 });
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("take" as const), count: fc.integer({ min: 1, max: 9 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("acknowledge" as const),
      index,
      type: fc.constantFrom("accept" as const, "release" as const, "reject" as const, "renew" as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("answer" as const), index, fate: fc.constant("answer" as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("answer" as const),
      index,
      fate: fc.constantFrom("lose" as const, "lose answer" as const, "session" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 700 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("move" as const), index, to: fc.nat({ max: BROKERS - 1 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      index,
      count: fc.integer({ min: 1, max: 6 }),
      isControl: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("assign" as const), bits: fc.nat({ max: 15 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("commit" as const) }) },
);

function play(scene: Scene, step: typeof command extends fc.Arbitrary<infer C> ? C : never): void {
  const { brokers } = scene;
  switch (step.do) {
    case "take":
      return scene.take(step.count);
    case "acknowledge":
      return scene.acknowledge(step.index, step.type);
    case "answer":
      return scene.answer(step.index, step.fate);
    case "pass":
      return scene.pass(step.ms);
    case "move":
      brokers.move(step.index % PARTITIONS, step.to);
      return scene.poll();
    case "append":
      return brokers.partitions[step.index % PARTITIONS].append(step.count, step.isControl);
    case "assign":
      scene.fetcher.assign(brokers.places.filter((_, i) => (step.bits & (1 << i)) !== 0));
      return scene.poll();
    case "commit":
      return scene.commit();
  }
}

/** Accepts all there is, with brokers that do what they should. */
function drain(scene: Scene): void {
  scene.fetcher.assign(scene.brokers.places);
  for (let rounds = 0; rounds < 400; rounds++) {
    while (scene.held.length > 0) scene.acknowledge(0, "accept");
    scene.take(5);
    while (scene.held.length > 0) scene.acknowledge(0, "accept");
    for (let i = scene.requests.length; i > 0; i--) scene.answer(0, "answer");
    scene.pass(50);
    const cells = scene.brokers.partitions.flatMap(partition => partition.cells);
    if (cells.every(({ state }) => state === "accepted" || state === "archived")) return;
  }
  throw new Error("records are left");
}

test.each(["batch_optimized", "record_limit"] as const)(
  "every record is finished once, whatever is lost, in mode %s",
  acquireMode => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), commands => {
        const scene = new Scene({ acquireMode, maxPollRecords: 7 });
        for (const partition of scene.brokers.partitions) partition.append(5, false);
        scene.poll();
        for (const step of commands) play(scene, step);
        drain(scene);
        scene.commit();
        for (let i = 0; i < 20; i++) {
          scene.answer(0, "answer");
          scene.pass(100);
        }
        expect([...scene.commits.values()].every(Boolean)).toBe(true);
        scene.fetcher.close();
        scene.poll();
        for (let i = 0; i < 20 && !scene.fetcher.isClosed; i++) {
          scene.answer(0, "answer");
          scene.pass(200);
        }
        expect([scene.fetcher.isClosed, scene.brokers.sessions.size, scene.requests.length]).toEqual([true, 0, 0]);
      }),
      { numRuns: 300 },
    );
  },
);

test("without losses, no acknowledgement is refused", () => {
  const calm = command.filter(step => {
    if (step.do === "pass") return step.ms < 100;
    return step.do !== "move" && !(step.do === "answer" && step.fate !== "answer");
  });
  fc.assert(
    fc.property(fc.array(calm, { maxLength: 40 }), commands => {
      const scene = new Scene({ maxPollRecords: 3 });
      for (const partition of scene.brokers.partitions) partition.append(5, false);
      for (const step of commands) {
        play(scene, step);
        // Records are not held for long, and answers are not kept back.
        if (scene.now % 5 === 0) while (scene.held.length > 0) scene.acknowledge(0, "accept");
        for (let i = scene.requests.length; i > 0; i--) scene.answer(0, "answer");
        if (scene.now > 800) return;
      }
      expect(scene.lateness).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("an error of a whole request loses no acknowledgement if it may be retried", () => {
  const scene = new Scene({});
  scene.brokers.partitions[0].append(3, false);
  scene.fetcher.assign(scene.brokers.places.slice(0, 1));
  scene.take(3);
  scene.answer(0, "answer");
  scene.take(3);
  for (let i = 0; i < 3; i++) scene.acknowledge(0, "accept");
  scene.commit();
  const [request] = scene.requests.splice(0);
  if (request.type !== "shareAcknowledge") throw new Error(request.type);
  const refused = { ...scene.brokers.refuse(Errors.REQUEST_TIMED_OUT.code) };
  scene.brokers.sessions.set(0, { epoch: 2, partitions: new Set([0]) });
  scene.fetcher.acknowledged(request.ticket, refused, 2, scene.moment);
  scene.poll();
  expect(scene.requests.length).toBe(0);
  scene.pass(200);
  for (let i = 0; i < 5; i++) scene.answer(0, "answer");
  expect([...scene.commits.values()]).toEqual([true]);
  expect(scene.brokers.partitions[0].cells.map(({ state }) => state)).toEqual(["accepted", "accepted", "accepted"]);
});
