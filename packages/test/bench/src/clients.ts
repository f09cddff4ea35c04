import { join } from "node:path";
import { topic } from "./contenders.ts";
import type { Figures, Stage } from "./loads.ts";
import { run } from "./process.ts";

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
  return figures;
}
