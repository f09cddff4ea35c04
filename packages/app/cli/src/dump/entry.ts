/** Item found in a file, shown as one line of the output. */
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

/** Creates an entry for a fault. It is damage unless it is just the unfinished end of a log in use. */
export function problem(message: string, facts: { readonly position?: number; readonly damage?: boolean } = {}): Entry {
  const { damage = true, ...where } = facts;
  return { kind: "problem", facts: { ...where, damage, message } };
}

/** First line of the message of a thrown value. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/\n[^]*$/, "");
}
