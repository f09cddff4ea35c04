import { describe, expect, test } from "vitest";
import { KafkaJSNumberOfRetriesExceeded } from "../src/index.ts";
import { fresh, until, worldFixture } from "./world.ts";

const world = worldFixture();

describe("a handler that fails", () => {
  test("gets the same message again", async () => {
    const topic = await world().filled(["a", "b"]);
    const consumer = await world().reader(topic);
    const values: string[] = [];
    await consumer.run({
      eachMessage: async ({ message }) => {
        values.push(String(message.value));
        if (values.length === 2) throw new Error("once");
      },
    });
    await until(() => values.length === 3);
    expect(values).toEqual(["a", "b", "b"]);
  });

  test("gets the same batch again, without what it has resolved", async () => {
    const topic = await world().filled(["a", "b", "c"]);
    const groupId = fresh("group");
    const consumer = await world().reader(topic, { groupId });
    const seen: string[][] = [];
    await consumer.run({
      eachBatch: async ({ batch, resolveOffset }) => {
        seen.push(batch.messages.map(({ value }) => String(value)));
        if (seen.length > 1) return;
        resolveOffset(batch.messages[0].offset);
        throw new Error("once");
      },
    });
    await until(() => seen.length === 2);
    expect(seen).toEqual([
      ["a", "b", "c"],
      ["b", "c"],
    ]);
  });

  test("crashes the consumer after all attempts, which then starts again", async () => {
    const topic = await world().filled(["a"]);
    const consumer = await world().reader(topic, { retry: { retries: 1, initialRetryTime: 10 } });
    const crashes: { error: Error; restart: boolean }[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => crashes.push(payload));
    let calls = 0;
    await consumer.run({
      eachMessage: async () => {
        if (++calls <= 2) throw new Error("not yet");
      },
    });
    await until(() => calls === 3, "the consumer has started again");
    expect(crashes).toHaveLength(1);
    expect(crashes[0].restart).toBe(true);
    expect(crashes[0].error).toBeInstanceOf(KafkaJSNumberOfRetriesExceeded);
    expect(crashes[0].error).toMatchObject({ message: "not yet", retryCount: 1 });
  });

  test("by a mistake in the program ends the consumer", async () => {
    const topic = await world().filled(["a"]);
    const consumer = await world().reader(topic);
    const crashes: { error: Error; restart: boolean }[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => crashes.push(payload));
    let calls = 0;
    await consumer.run({
      eachMessage: async () => {
        calls++;
        throw new TypeError("a mistake");
      },
    });
    await until(() => crashes.length === 1);
    expect([calls, crashes[0].restart, crashes[0].error.name]).toEqual([1, false, "KafkaJSNonRetriableError"]);
  });

  test("is started again only if `restartOnFailure` says so", async () => {
    const topic = await world().filled(["a"]);
    const asked: Error[] = [];
    const restartOnFailure = async (error: Error): Promise<boolean> => {
      asked.push(error);
      return false;
    };
    const consumer = await world().reader(topic, { retry: { retries: 0, initialRetryTime: 10, restartOnFailure } });
    const restarts: boolean[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => restarts.push(payload.restart));
    await consumer.run({ eachMessage: () => Promise.reject(new Error("always")) });
    await until(() => restarts.length === 1);
    expect([restarts, asked.map(({ message }) => message)]).toEqual([[false], ["always"]]);
  });

  test("is not started again if the consumer was stopped while `restartOnFailure` decided", async () => {
    const topic = await world().filled(["a"]);
    let decide: ((restart: boolean) => void) | undefined;
    const restartOnFailure = (): Promise<boolean> => new Promise(resolve => (decide = resolve));
    const consumer = await world().reader(topic, { retry: { retries: 0, initialRetryTime: 1, restartOnFailure } });
    const restarts: boolean[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => restarts.push(payload.restart));
    let calls = 0;
    await Promise.race([
      consumer.run({ eachMessage: () => Promise.reject(new Error(`${++calls}`)) }),
      until(() => decide !== undefined),
    ]);
    await until(() => decide !== undefined);
    await consumer.stop();
    decide?.(true);
    await until(() => restarts.length === 1);
    await new Promise(resolve => setTimeout(resolve, 200));
    expect([restarts, calls]).toEqual([[false], 1]);
  });

  test("leaves what was processed before committed, unless autoCommit is false", async () => {
    for (const autoCommit of [true, false]) {
      const topic = await world().filled(["a", "b", "c"]);
      const groupId = fresh("group");
      const consumer = await world().reader(topic, {
        groupId,
        retry: { retries: 0, restartOnFailure: async () => false },
      });
      let hasCrashed = false;
      consumer.on(consumer.events.CRASH, () => {
        hasCrashed = true;
      });
      await consumer.run({
        autoCommit,
        eachMessage: async ({ message }) => {
          if (String(message.value) === "c") throw new Error("the third");
        },
      });
      await until(() => hasCrashed);
      expect(await world().committed(groupId, topic)).toBe(autoCommit ? "2" : "-1");
    }
  });
});
