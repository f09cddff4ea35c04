import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NodeQuotaCallback, nodeQuotaCallback } from "@samsa/node";
import { afterAll, afterEach, expect, test } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "samsa-quota-callback-"));
let files = 0;
let callback: NodeQuotaCallback | undefined;

afterEach(async () => {
  await callback?.close();
  callback = undefined;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Writes a module; returns its path. */
function moduleOf(source: string): string {
  const path = join(directory, `callback${files++}.mjs`);
  writeFileSync(path, source);
  return path;
}

async function loaded(body: string, limits: Parameters<typeof nodeQuotaCallback>[2] = {}): Promise<NodeQuotaCallback> {
  const path = moduleOf(`export default class Callback {\n${body}\n}`);
  callback = await nodeQuotaCallback(path, { "node.id": "7", team: "t" }, limits);
  return callback;
}

const limit = (user: string) => ({ call: "limit", type: "PRODUCE", user, clientId: "c" }) as const;
const METHODS = "quotaMetricTags() { return {}; } quotaLimit() { return 1; }";

test("a callback has tags and limits, hears of quotas, and says what has changed", async () => {
  const found = await loaded(`
    heard = [];
    configure(settings) { this.team = settings.team; }
    quotaMetricTags(type, principal, clientId) {
      return { team: this.team, heard: JSON.stringify(this.heard), who: [type, principal.type, principal.name, clientId].join() };
    }
    quotaLimit(type, tags) { return tags.who.includes("free") ? null : 12.5; }
    updateQuota(type, { configEntities }, value) { this.heard.push([type, configEntities, value]); }
    removeQuota(type, { configEntities }) { this.heard.push([type, configEntities]); }
    quotaResetRequired(type) { return type === "FETCH"; }
    updateClusterMetadata(cluster) { return cluster.nodes.length > 1; }`);
  expect(found.wantsCluster).toBe(true);
  const entity = [{ type: "USER", name: "u" }] as const;
  const cluster = { clusterId: "x", nodes: [{ id: 1 }], topics: {} };
  const answers = await found.call([
    { call: "quota", type: "FETCH", entity, value: 3 },
    { call: "quota", type: "FETCH", entity, value: null },
    limit("u"),
    limit("free"),
    { call: "reset", types: ["PRODUCE", "FETCH"] },
    { call: "cluster", cluster },
    { call: "cluster", cluster: { ...cluster, nodes: [1, 2] } },
  ]);
  const heard = JSON.stringify([
    ["FETCH", entity, 3],
    ["FETCH", entity],
  ]);
  expect(answers).toEqual([
    { value: undefined },
    { value: undefined },
    { value: { tags: { team: "t", heard, who: "PRODUCE,User,u,c" }, limit: 12.5 } },
    { value: { tags: { team: "t", heard, who: "PRODUCE,User,free,c" }, limit: null } },
    { value: ["FETCH"] },
    { value: false },
    { value: true },
  ]);
});

test("two methods are enough", async () => {
  const found = await loaded(METHODS);
  expect(found.wantsCluster).toBe(false);
  const quota = { call: "quota", type: "FETCH", entity: [], value: 3 } as const;
  const answers = await found.call([quota, { call: "reset", types: ["PRODUCE"] }, limit("u")]);
  expect(answers).toEqual([{ value: undefined }, { value: [] }, { value: { tags: {}, limit: 1 } }]);
});

test("what is thrown, promised, or cannot be sent harms no other call", async () => {
  const found = await loaded(`
    quotaMetricTags(type, { name }) {
      if (name === "throws") throw new Error("no");
      if (name === "promises") return Promise.reject(new Error("later"));
      if (name === "odd") return { f: () => 1, n: 2, t: "text" };
      if (name === "list") return [1];
      return name === "none" ? undefined : {};
    }
    quotaLimit(type, tags) { return () => 1; }`);
  const answers = await found.call(["throws", "promises", "odd", "list", "none", "u"].map(limit));
  expect(answers).toEqual([
    { fault: "no" },
    { fault: "quotaMetricTags returned a promise; it must answer at once" },
    { value: { tags: { f: 0, n: 0, t: "text" }, limit: "function" } },
    { value: { tags: "object", limit: "function" } },
    { value: { tags: "undefined", limit: "function" } },
    { value: { tags: {}, limit: "function" } },
  ]);
});

test("a callback that does not answer, or ends its thread, is begun anew", async () => {
  const found = await loaded(
    `count = 0;
     quotaMetricTags(type, { name }) {
       while (name === "endless");
       if (name === "exit") process.exit(3);
       return { count: String(++this.count) };
     }
     quotaLimit() { return 1; }`,
    { answerMs: 300 },
  );
  const first = [{ value: { tags: { count: "1" }, limit: 1 } }];
  expect(await found.call([limit("u")])).toEqual(first);
  await expect(found.call([limit("endless")])).rejects.toThrow("has not answered within 300 ms");
  expect(await found.call([limit("u")])).toEqual(first);
  await expect(found.call([limit("exit")])).rejects.toThrow("has ended");
  expect(await found.call([limit("u")])).toEqual(first);
});

test("close closes the callback, and later calls are refused", async () => {
  const trace = join(directory, "closed");
  const found = await loaded(`${METHODS}
    async close() { (await import("node:fs")).writeFileSync(${JSON.stringify(trace)}, ""); }`);
  await found.close();
  expect(existsSync(trace)).toBe(true);
  await expect(found.call([limit("u")])).rejects.toThrow("is closed");
});

test.each([
  ["./missing.js", "missing.js cannot be loaded: Cannot find module"],
  [() => moduleOf("export default class { quotaMetricTags() {} }"), "its class has no method quotaLimit"],
  [() => moduleOf(`export default class { ${METHODS} configure() { throw new Error("not so"); } }`), "not so"],
])("a callback that cannot be loaded is refused: %s", async (named, why) => {
  await expect(nodeQuotaCallback(typeof named === "string" ? named : named(), {})).rejects.toThrow(why);
});
