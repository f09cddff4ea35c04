import { readFileSync } from "node:fs";
import { Failure } from "../terminal/failure.ts";
import type { PartitionReplicas } from "./assignment.ts";

/** Text of a plan in the format of `kafka-reassign-partitions`. */
export function planText(partitions: readonly PartitionReplicas[]): string {
  return JSON.stringify({ version: 1, partitions });
}

/** Reads a plan in the format of `kafka-reassign-partitions`. Throws `Failure`. */
export function readPlan(path: string): PartitionReplicas[] {
  let plan: unknown;
  try {
    plan = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Failure(`cannot read the plan ${path}: ${(error as Error).message}`);
  }
  const { partitions } = (plan ?? {}) as { readonly partitions?: unknown };
  if (!Array.isArray(partitions)) throw new Failure(`${path} is no plan: it has no list "partitions"`);
  const seen = new Set<string>();
  return partitions.map((entry: unknown) => {
    const { topic, partition, replicas } = (entry ?? {}) as Partial<Record<keyof PartitionReplicas, unknown>>;
    const isList = Array.isArray(replicas) && replicas.length > 0 && replicas.every(isId);
    if (typeof topic !== "string" || !isId(partition) || !isList || new Set(replicas).size < replicas.length) {
      throw new Failure(`${path}: an entry of a plan has topic, partition and replicas, not ${JSON.stringify(entry)}`);
    }
    if (seen.has(`${topic}-${partition}`)) throw new Failure(`${path} lists ${topic}-${partition} more than once`);
    seen.add(`${topic}-${partition}`);
    return { topic, partition, replicas };
  });
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 31;
}
