import { Apis } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endpointText, parseEndpoints } from "../src/endpoint.ts";
import { InFlightRequests } from "../src/in-flight-requests.ts";
import { fallbackVersion, NodeApiVersions } from "../src/node-api-versions.ts";

const response = (apiKeys: { apiKey: number; minVersion: number; maxVersion: number }[], errorCode = 0) =>
  Apis.ApiVersions.response.defaults({ apiKeys, errorCode });

describe("requests in flight", () => {
  type Step = { readonly kind: "send" | "reply" | "stray" | "clear"; readonly ms: number };
  const steps = fc.array(
    fc.record({ kind: fc.constantFrom<Step["kind"]>("send", "send", "reply", "stray", "clear"), ms: fc.nat(50) }),
  );

  test("are completed oldest first, and expire by the deadline of each", () => {
    const run = (limit: number, script: readonly Step[]): void => {
      const real = new InFlightRequests<number>(limit);
      let model: { id: number; deadline: number; request: number }[] = [];
      let [now, sent] = [0, 0];
      for (const { kind, ms } of script) {
        now++;
        if (kind === "send" && model.length < limit) {
          const id = real.nextCorrelationId();
          model.push({ id, deadline: now + ms, request: ++sent });
          real.add(id, now + ms, sent);
        } else if (kind === "reply") {
          expect(real.complete(model[0]?.id ?? 7)).toBe(model.shift()?.request);
        } else if (kind === "stray") {
          expect(real.complete(model[1]?.id ?? -1)).toBeUndefined();
        } else if (kind === "clear") {
          expect(real.clear()).toEqual(model.map(({ request }) => request));
          model = [];
        }
        expect([real.size, real.full]).toEqual([model.length, model.length === limit]);
        expect(real.expected()).toBe(model[0]?.id);
        expect(real.nextDeadline()).toBe(Math.min(Infinity, ...model.map(({ deadline }) => deadline)));
        expect(real.expired(now)).toBe(model.find(({ deadline }) => deadline <= now)?.request);
      }
      expect(new Set(model.map(({ id }) => id)).size).toBe(model.length);
    };
    fc.assert(fc.property(fc.integer({ min: 1, max: 6 }), steps, run));
  });
});

describe("API versions of a node", () => {
  test("give the highest stable version that both sides support", () => {
    const { key, first, lastStable } = Apis.InitProducerId;
    const of = (minVersion: number, maxVersion: number) =>
      new NodeApiVersions(response([{ apiKey: key, minVersion, maxVersion }]));
    expect(of(0, 3).latestUsable("InitProducerId")).toBe(3);
    expect(of(0, 99).latestUsable("InitProducerId")).toBe(lastStable);
    expect(of(98, 99).latestUsable("InitProducerId")).toBeUndefined();
    expect(of(-5, first - 1).latestUsable("InitProducerId")).toBeUndefined();
    expect(of(0, 3).latestUsable("Metadata")).toBeUndefined();
    expect([2, 3, 4].map(version => of(3, 3).isUsable("InitProducerId", version))).toEqual([false, true, false]);
    expect(of(0, 99).isUsable("InitProducerId", lastStable + 2)).toBe(false);
    expect(of(0, 99).isUsable("Metadata", 1)).toBe(false);
  });

  test("are asked for at a lower version after UNSUPPORTED_VERSION, and only then", () => {
    const listed = (maxVersion: number) => [{ apiKey: Apis.ApiVersions.key, minVersion: 0, maxVersion }];
    expect(fallbackVersion(response([]), 5)).toBeUndefined();
    expect(fallbackVersion(response([], 35), 5)).toBe(0);
    expect(fallbackVersion(response(listed(3), 35), 5)).toBe(3);
    expect(fallbackVersion(response(listed(99), 35), 5)).toBe(4);
    expect(fallbackVersion(response(listed(-1), 35), 5)).toBe(0);
    expect(fallbackVersion(response(listed(3), 35), 0)).toBeUndefined();
    expect(fallbackVersion(response([], 58), 5)).toBeUndefined();
  });
});

test("endpoints are parsed from bootstrap.servers, and written", () => {
  const parsed = parseEndpoints("a:1, b ,127.0.0.1:65535,[::1]:9093,[fe80::1%lo]");
  expect(parsed?.map(endpointText)).toEqual([
    ...["a:1", "b:9092", "127.0.0.1:65535", "[::1]:9093", "[fe80::1%lo]:9092"],
  ]);
  for (const wrong of ["", "a:", "a:0", "a:65536", "a:x", ":9092", "::1", "a:1,", "a:1:2", "[]:1", "[::1]9092"])
    expect(parseEndpoints(wrong), wrong).toBeUndefined();
});
