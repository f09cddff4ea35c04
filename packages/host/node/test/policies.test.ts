import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NodePolicies, nodePolicies } from "@samsa/node";
import { afterAll, afterEach, expect, test } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "samsa-policies-"));
let files = 0;
let policies: NodePolicies | undefined;

afterEach(async () => {
  await policies?.close();
  policies = undefined;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Writes a module; returns its path. */
function moduleOf(source: string): string {
  const path = join(directory, `policy${files++}.mjs`);
  writeFileSync(path, source);
  return path;
}

async function loaded(body: string, limits: Parameters<typeof nodePolicies>[2] = {}): Promise<NodePolicies> {
  const path = moduleOf(`export default class Policy {\n${body}\n}`);
  policies = await nodePolicies({ createTopic: path }, { "node.id": "7" }, limits);
  return policies;
}

test("a policy has nothing against a request, or throws what it has", async () => {
  const { judge } = await loaded(`
    configure(configs) { this.id = configs["node.id"]; }
    validate({ topic }) {
      if (topic === "named") throw Object.assign(new Error(\`not \${topic} on \${this.id}\`), { name: "PolicyViolationError" });
      if (topic === "coded") throw Object.assign(new Error("no such thing"), { code: "INVALID_CONFIG" });
      if (topic === "broken") return topic.is.broken;
      if (topic === "text") throw "a text";
    }`).then(found => ({ judge: (topic: string) => found.judge("createTopic", { topic }) }));
  expect(await judge("fine")).toBeUndefined();
  expect(await judge("named")).toEqual({ code: "POLICY_VIOLATION", message: "not named on 7" });
  expect(await judge("coded")).toEqual({ code: "INVALID_CONFIG", message: "no such thing" });
  expect(await judge("broken")).toEqual({
    code: undefined,
    message: "Cannot read properties of undefined (reading 'broken')",
  });
  expect(await judge("text")).toEqual({ code: undefined, message: "a text" });
  expect(await judge("fine"), "after all that").toBeUndefined();
});

test("a class of the policy's own marks a violation by its name", async () => {
  const path = moduleOf(`
    class PolicyViolationException extends Error {}
    export class Strict { validate() { throw new PolicyViolationException("no"); } }`);
  policies = await nodePolicies({ createTopic: path }, {});
  expect(await policies.judge("createTopic", {})).toEqual({ code: "POLICY_VIOLATION", message: "no" });
});

test("one module may have several policies", async () => {
  const path = moduleOf(`
    export class Topics { validate() { throw Object.assign(new Error("topics"), { code: "POLICY_VIOLATION" }); } }
    export class Configs { validate() { throw Object.assign(new Error("configs"), { code: "POLICY_VIOLATION" }); } }`);
  policies = await nodePolicies({ createTopic: `${path}#Topics`, alterConfig: `${path}#Configs` }, {});
  expect((await policies.judge("createTopic", {}))?.message).toBe("topics");
  expect((await policies.judge("alterConfig", {}))?.message).toBe("configs");
});

/** Part of a policy that objects to the topic `count` with the number of questions that its thread has had. */
const COUNTING = `this.asked = (this.asked ?? 0) + 1;
    if (topic === "count") throw new Error(this.asked);`;

test("a promise is no answer, and its rejection harms nobody", async () => {
  const failures: Error[] = [];
  const found = await loaded(`validate({ topic }) { ${COUNTING} return Promise.reject(new Error("later")); }`, {
    failed: error => failures.push(error),
  });
  const objection = { code: undefined, message: "validate returned a promise; it must answer at once" };
  expect(await found.judge("createTopic", {})).toEqual(objection);
  expect(await found.judge("createTopic", {})).toEqual(objection);
  expect((await found.judge("createTopic", { topic: "count" }))?.message, "questions to one thread").toBe("3");
  expect(failures).toEqual([]);
});

test("a policy that does not answer is ended, and others are asked a new one", async () => {
  const found = await loaded(`validate({ topic }) { while (topic === "endless"); }`, { answerMs: 300 });
  const endless = found.judge("createTopic", { topic: "endless" });
  const behind = found.judge("createTopic", { topic: "fine" });
  await expect(endless).rejects.toThrow("the thread of the policies has not answered within 300 ms");
  expect(await behind).toBeUndefined();
});

test("a policy that ends its thread, or takes all memory, is replaced", async () => {
  const found = await loaded(
    `validate({ topic }) {
       if (topic === "exit") process.exit(3);
       const all = [];
       while (topic === "memory") all.push(new Array(100_000).fill(topic + all.length));
     }`,
    { heapMb: 32, answerMs: 60_000 },
  );
  await expect(found.judge("createTopic", { topic: "exit" })).rejects.toThrow("the thread of the policies has ended");
  expect(await found.judge("createTopic", { topic: "fine" })).toBeUndefined();
  await expect(found.judge("createTopic", { topic: "memory" })).rejects.toThrow("reaching memory limit");
  expect(await found.judge("createTopic", { topic: "fine" })).toBeUndefined();
});

test("a policy that fails between two questions is told of, and replaced", async () => {
  const failure = Promise.withResolvers<string>();
  const next = Promise.withResolvers<unknown>();
  const found: NodePolicies = await loaded(
    `validate({ topic }) { ${COUNTING} setTimeout(() => { throw new Error("much later"); }, 20); }`,
    {
      failed: ({ message }) => {
        failure.resolve(message);
        // The thread has not ended yet.
        found.judge("createTopic", { topic: "count" }).then(next.resolve, next.reject);
      },
    },
  );
  expect(await found.judge("createTopic", {})).toBeUndefined();
  expect(await failure.promise).toBe("much later");
  expect(await next.promise, "the first question to its thread").toEqual({ code: undefined, message: "1" });
});

test("no more than some questions wait", async () => {
  const found = await loaded(`validate() { const end = Date.now() + 200; while (Date.now() < end); }`, { waiting: 2 });
  const answers = await Promise.all([1, 2, 3].map(() => found.judge("createTopic", {})));
  expect(answers.map(objection => objection?.code)).toEqual([undefined, undefined, "REQUEST_TIMED_OUT"]);
});

test("close ends the question that is asked, and refuses those that wait", async () => {
  const found = await loaded(`validate({ topic }) { while (topic === "endless"); }`, { answerMs: 300 });
  const asked = expect(found.judge("createTopic", { topic: "endless" })).rejects.toThrow("has not answered within");
  const waiting = expect(found.judge("createTopic", { topic: "fine" })).rejects.toThrow(
    "the thread of the policies is closed",
  );
  // The thread has the first question.
  await new Promise(resolve => setImmediate(resolve));
  await found.close();
  await Promise.all([asked, waiting]);
});

test("close closes the policies, and later questions are refused", async () => {
  const trace = join(directory, "closed");
  const found = await loaded(`
    async close() { (await import("node:fs")).writeFileSync(${JSON.stringify(trace)}, "closed"); }
    validate() { throw Object.assign(new Error("no"), { code: "POLICY_VIOLATION" }); }`);
  await found.close();
  const { readFileSync } = await import("node:fs");
  expect(readFileSync(trace, "utf8")).toBe("closed");
  await expect(found.judge("createTopic", {})).rejects.toThrow("the thread of the policies is closed");
});

test.each([
  ["./missing-policy.js", "cannot be loaded: Cannot find module"],
  ["no-such-package-at-all", "cannot be loaded: Cannot find"],
  [() => moduleOf("export const nothing = 1;"), "it has no class as its default export"],
  [() => `${moduleOf("export default class {}")}`, "its class has no method validate"],
  [() => `${moduleOf("export default class { validate() {} }")}#Other`, "it does not export a class Other"],
  [() => moduleOf("export default class { validate() {} configure() { throw new Error('not so'); } }"), "not so"],
  [() => moduleOf("throw new Error('at once');"), "at once"],
])("a policy that cannot be loaded is refused: %s", async (named, why) => {
  const path = typeof named === "string" ? named : named();
  await expect(nodePolicies({ createTopic: path }, {})).rejects.toThrow(why);
});
