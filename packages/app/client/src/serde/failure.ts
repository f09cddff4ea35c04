import { KafkaError } from "@samsa/client-kernel";
import type { SerdeContext } from "./serde.ts";

/** Error of a serde, with the place of what it could not write or read. */
export function serdeError(
  cause: unknown,
  { topic, part }: SerdeContext,
  verb: "written" | "read",
  at = "",
): KafkaError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const what = `the ${part} of a record ${verb === "written" ? "for" : "of"} topic ${topic}${at} cannot be ${verb}: ${why}`;
  return new KafkaError("SERIALIZATION_FAILED", what, { cause });
}
