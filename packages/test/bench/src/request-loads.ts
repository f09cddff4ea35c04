import { join } from "node:path";
import { type Figures, type Stage } from "./loads.ts";
import { run } from "./process.ts";

const MAIN = join(import.meta.dirname, "requests", "main.ts");

/** Runs a load of `requests` in a process of its own, the same for both brokers. Returns its figures. */
export async function requests(
  name: string,
  { broker, data, quick }: Omit<Stage, "java" | "bundle">,
): Promise<Figures> {
  const target = { port: broker.port, pid: broker.pid, data, quick };
  const printed = await run(process.execPath, [MAIN, name, JSON.stringify(target)]);
  const figures = JSON.parse(printed.trim().split("\n").at(-1) ?? "") as Record<string, number | null>;
  // JSON has no NaN.
  return new Map(Object.entries(figures).flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
}

/** Loads of `requests` that a broker of their own gets, by name. */
export const REQUEST_LOADS: Readonly<Record<string, (stage: Stage) => Promise<Figures>>> = Object.fromEntries(
  ["commits", "groups", "compaction", "share", "transactions"].map(name => [
    name,
    (stage: Stage) => requests(name, stage),
  ]),
);

/** Settings of the broker under a load, by name. */
export const LOAD_SETTINGS: Readonly<Record<string, readonly string[]>> = {
  // The cleaner looks for work soon.
  compaction: ["log.cleaner.backoff.ms=100"],
  // A second between two assignments, as by default, is longer than the coordinators' work.
  groups: ["group.consumer.assignment.interval.ms=0"],
};
