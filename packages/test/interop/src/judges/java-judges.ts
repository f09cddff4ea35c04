import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entryAt, ignored } from "@samsa/base";
import { Child, run } from "../processes/child.ts";
import { CODECS, type Codec } from "./codecs.ts";
import { type Acknowledged, type Draft, type Judge, type Load, loadValue, type Producing, type Read } from "./judge.ts";
import type { Java } from "../processes/runtimes.ts";

const TOOLS = "org.apache.kafka.tools";
const NULL = "NULL";
const PACE_MS = 5;
/** Time for a stopping program to deliver its remaining records. */
const DRAIN_MS = 60_000;

async function runJava(java: Java, main: string, args: readonly string[], input = ""): Promise<string[]> {
  const program = java(`${TOOLS}.${main}`, ...args);
  return run(program.command, program.args, { input });
}

async function createTopic(java: Java, server: string, topic: string, partitions: number): Promise<void> {
  const where = ["--bootstrap-server", server, "--create", "--topic", topic];
  await runJava(java, "TopicCommand", [...where, "--partitions", String(partitions), "--replication-factor", "1"]);
}

async function drained(child: Child): Promise<void> {
  const timer = setTimeout(() => child.kill(), DRAIN_MS);
  const end = await child.exited;
  clearTimeout(timer);
  // A JVM that stops on SIGTERM exits with 143.
  if (end !== 0 && end !== 143) throw new Error(`${child.command}\nended with ${end}\n${child.stderr}`);
}

function pairs(text: string): Record<string, string> {
  if (text === "NO_HEADERS") return {};
  return Object.fromEntries(
    text.split(",").map(pair => [pair.slice(0, pair.indexOf(":")), pair.slice(pair.indexOf(":") + 1)]),
  );
}

function parseLine(line: string): Read {
  const fields = line.split("\t");
  const orNull = (text: string): string | null => (text === NULL ? null : text);
  return {
    partition: Number(entryAt(fields, 0).replace("Partition:", "")),
    offset: Number(entryAt(fields, 1).replace("Offset:", "")),
    headers: pairs(entryAt(fields, 2)),
    key: orNull(entryAt(fields, 3)),
    value: orNull(fields.slice(4).join("\t")),
  };
}

/** `kafka-console-producer` and `kafka-console-consumer`, which exchange lines. They cannot choose partitions. */
export class ConsoleJudge implements Judge {
  readonly codecs = CODECS;
  readonly places = false;
  readonly idempotent = true;
  readonly #java: Java;
  readonly #server: string;

  constructor(java: Java, server: string) {
    this.#java = java;
    this.#server = server;
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    return createTopic(this.#java, this.#server, topic, partitions);
  }

  async produce(topic: string, codec: Codec, records: readonly Draft[]): Promise<void> {
    const reader = ["parse.key=true", "parse.headers=true", `null.marker=${NULL}`];
    const args = ["--bootstrap-server", this.#server, "--topic", topic, "--compression-codec", codec];
    const lines = records.map(({ key, value, headers }) => {
      const pairs = Object.entries(headers).map(([name, data]) => `${name}:${data}`);
      return `${pairs.length === 0 ? NULL : pairs.join(",")}\t${key ?? NULL}\t${value ?? NULL}\n`;
    });
    const properties = reader.flatMap(property => ["--reader-property", property]);
    await runJava(this.#java, "ConsoleProducer", [...args, ...properties], lines.join(""));
  }

  async consume(topic: string, group: string, count: number): Promise<Read[]> {
    const shown = ["partition", "offset", "headers", "key"].map(what => `print.${what}=true`);
    const properties = [...shown, `null.literal=${NULL}`].flatMap(property => ["--formatter-property", property]);
    const bounds = ["--from-beginning", "--max-messages", String(count), "--timeout-ms", "40000"];
    const args = ["--bootstrap-server", this.#server, "--topic", topic, "--group", group, ...bounds, ...properties];
    const lines = await runJava(this.#java, "consumer.ConsoleConsumer", args);
    const reads = lines.filter(line => line.startsWith("Partition:")).map(parseLine);
    if (reads.length !== count) throw new Error(`${reads.length} of ${count} records came`);
    return reads;
  }

  /** Reports every value as acknowledged at once: the program confirms them only by its exit code 0. */
  async load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load> {
    const retries = ["--message-send-max-retries", "2147483647", "--command-property", "reconnect.backoff.max.ms=500"];
    const args = ["--bootstrap-server", this.#server, "--topic", topic, "--request-required-acks", "all", ...retries];
    const program = this.#java(`${TOOLS}.ConsoleProducer`, ...args);
    const child = new Child(program.command, program.args);
    let sequence = 0;
    const timer = setInterval(() => {
      const value = loadValue(sequence++);
      child.write(`${value}\n`);
      onAck({ value });
    }, PACE_MS);
    return {
      stop: async () => {
        clearInterval(timer);
        child.closeInput();
        await drained(child);
        if (child.stderr.includes("Error when sending message")) throw new Error(child.stderr);
      },
    };
  }
}

/** Temporary properties file for programs that take settings only from a file. */
export class PropertiesFile {
  readonly path: string;
  readonly #folder: string;

  constructor(text: string) {
    this.#folder = mkdtempSync(join(tmpdir(), "interop-"));
    this.path = join(this.#folder, "client.properties");
    writeFileSync(this.path, text);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Event {
  readonly name: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly error?: string;
}

function parseEvent(line: string): Event | undefined {
  return line.startsWith("{") ? (JSON.parse(line) as Event) : undefined;
}

/** `VerifiableProducer` and `VerifiableConsumer`, which report acknowledged, read and committed records as JSON. */
export class VerifiableJudge implements Producing {
  readonly idempotent = true;
  readonly #java: Java;
  readonly #server: string;
  readonly #settings: string;

  /** `settings`: lines of the producer's file of properties, beside those of a load. */
  constructor(java: Java, server: string, settings: readonly string[] = []) {
    this.#java = java;
    this.#server = server;
    this.#settings = settings.map(line => `${line}\n`).join("");
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    return createTopic(this.#java, this.#server, topic, partitions);
  }

  /** Writes the numbers from 0 to `count` - 1 as values. */
  async produce(topic: string, codec: Codec, count: number): Promise<Acknowledged[]> {
    const file = new PropertiesFile(`compression.type=${codec}\nlinger.ms=20\n${this.#settings}`);
    try {
      const bounds = ["--max-messages", String(count), "--repeating-keys", "7", "--command-config", file.path];
      const args = ["--bootstrap-server", this.#server, "--topic", topic, "--acks", "-1", ...bounds];
      const events = (await runJava(this.#java, "VerifiableProducer", args)).map(parseEvent);
      return events.flatMap(event => (event?.name === "producer_send_success" ? [acknowledgement(event)] : []));
    } finally {
      file.remove();
    }
  }

  async consume(topic: string, group: string, count: number): Promise<Read[]> {
    const bounds = ["--max-messages", String(count), "--reset-policy", "earliest", "--verbose"];
    const args = ["--bootstrap-server", this.#server, "--topic", topic, "--group-id", group, ...bounds];
    const events = (await runJava(this.#java, "VerifiableConsumer", args)).map(parseEvent);
    const reads = events.flatMap(event => (event?.name === "record_data" ? [{ ...event, headers: {} }] : []));
    // The consumer reports every record of its last poll, but commits at most `count` records.
    return reads.slice(0, count);
  }

  async load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load> {
    // VerifiableProducer does not retry by default.
    const file = new PropertiesFile(`retries=2147483647\nreconnect.backoff.max.ms=500\n${this.#settings}`);
    const bounds = ["--throughput", "500", "--command-config", file.path];
    const args = ["--bootstrap-server", this.#server, "--topic", topic, "--acks", "-1", ...bounds];
    const program = this.#java(`${TOOLS}.VerifiableProducer`, ...args);
    const errors: string[] = [];
    const child = new Child(program.command, program.args, {
      onLine: line => {
        const event = parseEvent(line);
        if (event?.name === "producer_send_success") onAck(acknowledgement(event));
        if (event?.name === "producer_send_error") errors.push(line);
      },
    });
    return {
      stop: async () => {
        child.end("SIGTERM").catch(ignored("`drained` reports how the process ended"));
        await drained(child).finally(() => file.remove());
        if (errors.length > 0) throw new Error(`${errors.length} records were given up: ${errors[0]}`);
      },
    };
  }
}

function acknowledgement({ partition, offset, value }: Event): Acknowledged {
  return { partition, offset, value: value ?? "" };
}
