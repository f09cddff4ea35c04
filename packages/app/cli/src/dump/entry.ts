/** One thing found in a file: what a line of the output shows. */
export interface Entry {
  readonly kind:
    | "batch"
    | "record"
    | "index"
    | "timeIndex"
    | "abortedTransaction"
    | "producer"
    | "epoch"
    | "checkpoint"
    | "fact"
    | "problem";
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What is not as it should be at a place. Damage, unless it is only the unfinished end of a log that is in use. */
export function problem(message: string, facts: { readonly position?: number; readonly damage?: boolean } = {}): Entry {
  const { damage = true, ...where } = facts;
  return { kind: "problem", facts: { ...where, damage, message } };
}

/** A sentence out of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0];
}
