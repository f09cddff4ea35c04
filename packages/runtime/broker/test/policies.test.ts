import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorOf, Errors } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PolicyLoader } from "../src/index.ts";
import { alterConfigs, TestBroker } from "./wire.ts";

type Objection = Awaited<ReturnType<Awaited<ReturnType<PolicyLoader>>["judge"]>>;
interface Question {
  readonly policy: string;
  readonly request: { readonly topic?: string; readonly configs: Readonly<Record<string, string | null>> };
}

const BOTH = {
  "create.topic.policy.class.name": "topics",
  "alter.config.policy.class.name": "configs",
};

let asked: Question[];
let judge: (question: Question) => Objection | Promise<Objection>;
let broker: TestBroker;
let wire: RawConnection;

const loader: PolicyLoader = async () => ({
  judge: async (policy, request) => {
    const question = { policy, request } as Question;
    asked.push(question);
    return judge(question);
  },
  close: async () => undefined,
});

async function start(settings: Record<string, string> = BOTH, policies: PolicyLoader = loader): Promise<void> {
  broker = await TestBroker.start(settings, undefined, {}, { policies });
  wire = await broker.connect();
}

beforeEach(() => {
  asked = [];
  judge = () => undefined;
});
afterEach(async () => {
  wire?.close();
  await broker?.stop();
});

async function create(names: readonly string[], draft: object = {}): Promise<(readonly [string, string | null])[]> {
  const topics = names.map(name => ({
    ...{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ...draft,
  }));
  const answer = await wire.ask("CreateTopics", 7, { topics, timeoutMs: 5000, validateOnly: false, ...draft });
  return answer.topics.map(({ errorCode, errorMessage }) => [errorOf(errorCode).name, errorMessage] as const);
}

const isThere = (name: string): boolean => broker.broker.topics.image.topicIds.has(name);
const onTopic =
  (name: string, objection: Objection) =>
  ({ request }: Question): Objection =>
    request.topic === name ? objection : undefined;

describe("answers", () => {
  beforeEach(() => start());

  test("a violation refuses its topic with the policy's words", async () => {
    judge = onTopic("a", { code: "POLICY_VIOLATION", message: "no topic a" });
    expect(await create(["a", "b"])).toEqual([
      ["POLICY_VIOLATION", "no topic a"],
      ["NONE", null],
    ]);
    expect([isThere("a"), isThere("b")]).toEqual([false, true]);
  });

  test("another error of Kafka keeps its name; what is none is a failure, whose words stay here", async () => {
    judge = onTopic("a", { code: "INVALID_CONFIG", message: "not so" });
    expect(await create(["a"])).toEqual([["INVALID_CONFIG", "not so"]]);
    for (const code of [undefined, "NONE", "ERR_SOMETHING"]) {
      judge = onTopic("a", { code, message: "a secret" });
      const [[error, message]] = await create(["a"]);
      expect(error).toBe("UNKNOWN_SERVER_ERROR");
      expect(message).toBe(
        "The policy of create.topic.policy.class.name has failed; the log of the controller says why.",
      );
    }
    expect(broker.lines.filter(({ message }) => message.includes("a policy has failed"))).toHaveLength(3);
    expect(isThere("a")).toBe(false);
  });

  test("a rejected answer refuses the request, and the controller goes on", async () => {
    judge = () => Promise.reject(new Error("the thread has ended"));
    expect((await create(["a"]))[0][0]).toBe("UNKNOWN_SERVER_ERROR");
    judge = () => undefined;
    expect(await create(["a"])).toEqual([["NONE", null]]);
  });

  test("validateOnly asks too, and makes nothing", async () => {
    judge = onTopic("a", { code: "POLICY_VIOLATION", message: "no" });
    expect(await create(["a", "b"], { validateOnly: true })).toEqual([
      ["POLICY_VIOLATION", "no"],
      ["NONE", null],
    ]);
    expect([isThere("a"), isThere("b")]).toEqual([false, false]);
  });

  test("changes of settings are judged", async () => {
    await create(["a"]);
    judge = ({ policy, request }) =>
      policy === "alterConfig" && request.configs["retention.ms"] === "1"
        ? { code: "POLICY_VIOLATION", message: "too short" }
        : undefined;
    const alter = (value: string) => alterConfigs(wire, 2, "a", { "retention.ms": value });
    expect(await alter("1")).toMatchObject({ errorCode: Errors.POLICY_VIOLATION.code, errorMessage: "too short" });
    expect(await alter("2")).toMatchObject({ errorCode: 0 });
    expect(await create(["b"], { configs: [{ name: "retention.ms", value: "1" }] })).toEqual([
      ["POLICY_VIOLATION", "too short"],
    ]);
  });

  test("a policy that takes its time holds up nobody else", async () => {
    let answer: (objection: Objection) => void = () => undefined;
    judge = ({ request }) => (request.topic === "slow" ? new Promise(resolve => (answer = resolve)) : undefined);
    const slow = create(["slow"]);
    const other = await broker.connect();
    await expect.poll(() => asked.length).toBe(1);
    const topics = [{ name: "quick", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
    const made = await other.ask("CreateTopics", 7, { topics, timeoutMs: 5000, validateOnly: false });
    expect(made.topics[0].errorCode).toBe(0);
    other.close();
    expect(isThere("slow")).toBe(false);
    answer(undefined);
    expect(await slow).toEqual([["NONE", null]]);
  });

  test("what has changed meanwhile is asked anew", async () => {
    await create(["a"], { configs: [{ name: "cleanup.policy", value: "delete" }] });
    asked.length = 0;
    const append = (value: string) => ({
      resources: [
        { resourceType: 2, resourceName: "a", configs: [{ name: "cleanup.policy", configOperation: 1 + 1, value }] },
      ],
      validateOnly: false,
    });
    let answer: () => void = () => undefined;
    const held = new Promise<undefined>(resolve => (answer = () => resolve(undefined)));
    judge = () => (asked.length === 1 ? held : undefined);
    const first = wire.ask("IncrementalAlterConfigs", 1, append("compact"));
    await expect.poll(() => asked.length).toBe(1);
    const other = await broker.connect();
    await alterConfigs(other, 2, "a", { "cleanup.policy": "" });
    other.close();
    answer();
    expect((await first).responses[0].errorCode).toBe(0);
    const values = asked.map(({ request }) => request.configs["cleanup.policy"]);
    expect(values).toEqual(["delete,compact", "", "compact"]);
  });
});

test("a policy that is not named is not asked", async () => {
  await start({ "create.topic.policy.class.name": "topics" });
  await create(["a"], { configs: [{ name: "retention.ms", value: "5" }] });
  expect(asked.map(({ policy }) => policy)).toEqual(["createTopic"]);
});

test("policies that take too long in all are given up", async () => {
  let ahead = 0;
  const clock = { now: () => Date.now(), monotonic: () => performance.now() + ahead };
  broker = await TestBroker.start(BOTH, undefined, { clock }, { policies: loader });
  wire = await broker.connect();
  judge = () => {
    ahead += 20_000;
    return undefined;
  };
  const answers = await create(["a", "b", "c"]);
  expect(answers).toEqual(
    ["a", "b", "c"].map(name =>
      name === "c" ? ["REQUEST_TIMED_OUT", "The policies took longer than 30000 ms."] : ["NONE", null],
    ),
  );
});

test("a start fails with the reason why a policy cannot be loaded", async () => {
  const broken: PolicyLoader = () => Promise.reject(new Error("the policy topics cannot be loaded: no such file"));
  await expect(TestBroker.start(BOTH, undefined, {}, { policies: broken })).rejects.toThrow("no such file");
  const directory = mkdtempSync(join(tmpdir(), "samsa-policies-"));
  const named = { "log.dirs": join(directory, "data"), ...BOTH };
  await expect(TestBroker.start(named, directory)).rejects.toThrow("this program cannot load policies");
  expect(readdirSync(directory)).toEqual([]);
  rmSync(directory, { recursive: true });
});
