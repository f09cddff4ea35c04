import { join } from "node:path";
import { topic } from "./contenders.ts";
import { javaProgram } from "./java.ts";
import { type Figures, type Stage, TOOLS } from "./loads.ts";
import { type Command, cpuOf, present, run } from "./process.ts";

/** Client libraries for Node, by the name in the rows. */
export const CLIENTS = { samsa: "@samsa/client", platformatic: "@platformatic/kafka", kafkajs: "KafkaJS" } as const;

const MAIN = join(import.meta.dirname, "clients", "main.ts");

interface Measured {
  readonly seconds: number;
  /** Processor seconds of the client. */
  readonly cpu: number;
  readonly p99?: number;
}

async function client(stage: Stage, library: string, load: string, records: number): Promise<Measured> {
  // The load before has produced the records that are consumed.
  const name = load === "consume" ? `clients-${library}-produce` : `clients-${library}-${load}`;
  if (load !== "consume") await topic(stage.bundle, stage.broker, ["create", name, "-p", "6"]);
  const printed = await run(process.execPath, [MAIN, library, load, stage.broker.bootstrap, name, String(records)]);
  return JSON.parse(printed.trim().split("\n").at(-1) ?? "") as Measured;
}

/** Programs that print records, by the name in the rows. */
export const CONSOLES = { samsa: "samsa consume", java: "Kafka's console consumer", kcat: "kcat" } as const;

/** Measures programs that print the records of a topic: records for each second of their processor time, start included. */
async function consoles(stage: Stage, topicName: string, records: number, figures: Figures): Promise<void> {
  const { bootstrap } = stage.broker;
  const max = String(records);
  const programs: Record<keyof typeof CONSOLES, Command | undefined> = {
    samsa: { program: process.execPath, args: [stage.bundle, "consume", topicName, "-b", bootstrap, "-n", max] },
    java: javaProgram(stage.java, `${TOOLS}.consumer.ConsoleConsumer`, [
      ...["--bootstrap-server", bootstrap, "--topic", topicName, "--from-beginning", "--max-messages", max],
    ]),
    kcat: present("kcat", "-V")
      ? { program: "kcat", args: ["-C", "-q", "-b", bootstrap, "-t", topicName, "-o", "beginning", "-c", max] }
      : undefined,
  };
  for (const [name, program] of Object.entries(programs)) {
    if (program === undefined) continue;
    try {
      figures.set(`console-${name}.per-cpu`, records / (await cpuOf(program)));
    } catch (error) {
      // The jars of the tools may lack a class; the other figures do not depend on them.
      console.error(`${program.program} cannot print records: ${String(error).slice(0, 300)}`);
    }
  }
}

/** Measures client libraries against one broker: records for each second of the client's processor time. */
export async function clients(stage: Stage): Promise<Figures> {
  const records = stage.quick ? 300_000 : 1_000_000;
  const lone = 1000;
  const large = stage.quick ? 100 : 300;
  const figures: Figures = new Map();
  // The first library must not pay for a broker that has not compiled its code.
  await topic(stage.bundle, stage.broker, ["create", "clients-warm", "-p", "6"]);
  for (const load of ["produce", "lone"]) {
    const count = load === "lone" ? 3 * lone : records / 2;
    await run(process.execPath, [MAIN, "kafkajs", load, stage.broker.bootstrap, "clients-warm", String(count)]);
  }
  for (const library of Object.keys(CLIENTS)) {
    const set = (key: string, value: number): void => void figures.set(`client-${library}-${key}`, value);
    const produced = await client(stage, library, "produce", records);
    set("produce.per-cpu", records / produced.cpu);
    set("produce.rate", records / produced.seconds);
    const consumed = await client(stage, library, "consume", records);
    set("consume.per-cpu", records / consumed.cpu);
    const sent = await client(stage, library, "lone", lone);
    set("lone.mean", (sent.seconds / lone) * 1000);
    if (sent.p99 !== undefined) set("lone.p99", sent.p99);
    set("large.rate", large / (await client(stage, library, "large", large)).seconds);
    if (library === "samsa") set("offer.per-cpu", records / (await client(stage, library, "offer", records)).cpu);
  }
  await consoles(stage, "clients-samsa-produce", records, figures);
  return figures;
}
