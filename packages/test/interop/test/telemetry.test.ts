import { expect, test } from "vitest";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { Child, run } from "../src/processes/child.ts";
import { findJava, findPython, type Java, type Program } from "../src/processes/runtimes.ts";
import { need, topicName } from "./scenarios.ts";

const TOOLS = "org.apache.kafka.tools";
const DEADLINE = { timeout: 120_000, interval: 100 };

/** Lines of `/metrics` with series of clients. */
async function series({ http }: SamsaProcess): Promise<string[]> {
  const page = await (await fetch(`${http}/metrics`)).text();
  return page.split("\n").filter(line => line.includes("client_instance_id="));
}

async function tool(java: Java, name: string, server: string, args: string): Promise<void> {
  const program = java(`${TOOLS}.${name}`, "--bootstrap-server", server, ...args.split(" "));
  await run(program.command, program.args);
}

/** Runs `body` with a topic on a broker that subscribes to all metrics of all clients at the shortest interval. */
async function withSubscription(
  java: Java,
  body: (broker: SamsaProcess, topic: string) => Promise<void>,
): Promise<void> {
  const broker = await SamsaProcess.start(undefined, [], true);
  try {
    const topic = topicName();
    await tool(java, "TopicCommand", broker.server, `--create --topic ${topic}`);
    await tool(java, "ClientMetricsCommand", broker.server, "--alter --name all --metrics * --interval 100");
    await body(broker, topic);
    expect(broker.log()).not.toContain("cannot be read");
  } finally {
    await broker.dispose();
  }
}

async function withChild(program: Program, body: (child: Child) => Promise<void>): Promise<void> {
  const child = new Child(program.command, program.args);
  try {
    await body(child);
  } catch (error) {
    console.error(child.stderr);
    throw error;
  } finally {
    await child.end("SIGKILL");
  }
}

test("Kafka's producer and consumer push their metrics", async context => {
  const java = need(await findJava(), context);
  await withSubscription(java, async (broker, topic) => {
    const where = ["--bootstrap-server", broker.server, "--topic", topic, "--command-property"];
    const producer = java(`${TOOLS}.ConsoleProducer`, ...where, "client.id=telling producer");
    await withChild(producer, async child => {
      for (let i = 0; i < 10; i++) child.write(`value ${i}\n`);
      const sent = /^org_apache_kafka_producer_record_send_total\{.*client_id="telling producer"\} 10$/m;
      await expect.poll(async () => (await series(broker)).join("\n"), DEADLINE).toMatch(sent);
      const perTopic = `org_apache_kafka_producer_topic_record_send_total{topic="${topic}",`;
      expect((await series(broker)).filter(line => line.startsWith(perTopic))).toHaveLength(1);
    });
    const consumer = java(
      `${TOOLS}.consumer.ConsoleConsumer`,
      ...where,
      "client.id=telling-consumer",
      "--from-beginning",
    );
    await withChild(consumer, async () => {
      const read =
        /^org_apache_kafka_consumer_fetch_manager_records_consumed_total\{client_.*"telling-consumer"\} 10$/m;
      await expect.poll(async () => (await series(broker)).join("\n"), DEADLINE).toMatch(read);
    });
  });
});

/** Times that a client may end without its terminating push: librdkafka waits one second for it. */
const LATE_ENDS = 3;

// librdkafka sends a terminating push in any case; Kafka's own client does so only while a request is in flight.
test("librdkafka pushes its metrics without being told to, and takes them with it when it goes", async context => {
  const [java, python] = [need(await findJava(), context), need(await findPython(), context)];
  await withSubscription(java, async (broker, topic) => {
    const instances = new Set<string>();
    const left = async (): Promise<string[]> =>
      (await series(broker)).filter(line => ![...instances].some(id => line.includes(id)));
    for (let ends = 1; ; ends++) {
      await withChild(python("confluent.py", "load", broker.server, topic), async child => {
        const pushed = /^org_apache_kafka_producer_node_request_latency_max\{node_id="1",client_.*"rdkafka"\} \d/m;
        await expect.poll(async () => (await left()).join("\n"), DEADLINE).toMatch(pushed);
        child.closeInput();
        expect(await child.exited).toBe(0);
      });
      // The process may end before its last request is handled.
      const isGone = expect.poll(left, { ...DEADLINE, timeout: 10_000 }).toEqual([]);
      if (ends === LATE_ENDS) return isGone;
      if (
        await isGone.then(
          () => true,
          () => false,
        )
      )
        return;
      for (const line of await left()) instances.add(/client_instance_id="([^"]+)"/.exec(line)?.[1] ?? "");
    }
  });
});
