import type { AssignorName } from "@samsa/assign";
import { KafkaJSNonRetriableError, KafkaJSNotImplemented } from "../error/errors.ts";

/** Assigner that the client has, by the name under which Java's consumers know it. */
export interface PartitionAssigner {
  readonly assignor: AssignorName;
}

/** Assigners: KafkaJS's one, as Java's consumers have it, and the others of Java. */
export const PartitionAssigners = {
  roundRobin: { assignor: "roundrobin" },
  range: { assignor: "range" },
  sticky: { assignor: "sticky" },
  cooperativeSticky: { assignor: "cooperative-sticky" },
} as const satisfies Record<string, PartitionAssigner>;

const KNOWN: readonly unknown[] = Object.values(PartitionAssigners);

/** Names of assigners. Throws for an assigner of the program. */
export function assignorsOf(given: readonly PartitionAssigner[]): AssignorName[] {
  if (!Array.isArray(given) || given.length === 0) {
    throw new KafkaJSNonRetriableError("partitionAssigners is a list with one assigner at the least");
  }
  return given.map((assigner: PartitionAssigner) => {
    if (KNOWN.includes(assigner)) return assigner.assignor;
    const names = Object.keys(PartitionAssigners).join(", ");
    throw new KafkaJSNotImplemented(
      `partitionAssigners has assigners of PartitionAssigners only (${names}), no other ones`,
    );
  });
}
