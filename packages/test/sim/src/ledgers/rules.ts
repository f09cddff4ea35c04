/** Error for a broken rule. */
export class Violation extends Error {
  readonly rule: Rule;
  constructor(rule: Rule, detail: string) {
    super(`${rule}: ${detail}`);
    this.name = "Violation";
    this.rule = rule;
  }
}

/** Names of the rules. Each names what must never happen. */
export type Rule =
  // The log.
  | "an acknowledged record is lost"
  | "an offset changed its content"
  | "offsets have a gap"
  | "a damaged batch was served"
  | "a record was made up"
  | "a record is there twice"
  | "records are out of order"
  | "a refused record was written"
  | "a key is in two partitions"
  | "a read record vanished"
  | "the end went back"
  | "the start went back"
  | "records before the start were served"
  | "retention took what it should keep"
  | "compaction took a key's last record"
  | "append times go back"
  | "a time was looked up wrongly"
  | "an epoch's end is wrong"
  // Fetching.
  | "a fetch gave more than it may"
  | "a fetch passed a partition over"
  | "a fetch session was forgotten"
  | "an answer to another question"
  // Producers.
  | "a bad batch was accepted"
  | "a good request was refused"
  // Transactions.
  | "half of a transaction was seen"
  | "an aborted record was seen"
  | "an undecided record was seen"
  | "what was decided is open again"
  | "a committed transaction is lost"
  | "a transaction is missing or there twice"
  | "an epoch was given twice"
  // Groups.
  | "a committed offset is lost"
  | "a late commit was accepted"
  | "an offset outlived its topic"
  | "a partition has two owners"
  | "a group has two leaders"
  | "a generation went back"
  | "a live member was thrown out"
  | "an acknowledged record was delivered again"
  | "a record has two owners"
  | "a record of a lost partition was read"
  | "a record was read twice"
  | "a record was passed over"
  | "a record was committed too early"
  | "a position was lost"
  // The client as a whole.
  | "the client failed"
  | "the client gives up"
  | "a call hangs"
  | "a record has two ends"
  // Metadata.
  | "a topic is lost"
  | "a deleted topic came back"
  | "a setting is lost"
  | "a setting is not obeyed"
  // Clusters.
  | "two nodes lead at once"
  | "a fenced broker leads"
  | "a replica in sync lacks committed records"
  | "too few replicas committed records"
  | "an epoch went back"
  | "the metadata went back"
  | "the metadata differ"
  // The broker as a whole.
  | "the history is impossible"
  | "the broker does not start"
  | "a start reads what it need not"
  | "the broker keeps what nobody needs"
  | "the broker failed"
  | "no progress after healing";

/** End of a broker's life: a clean stop, a killed process (files keep all writes), a power cut (only flushed data). */
export type Ending = "stop" | "kill" | "power";

/** Returns a `Violation` as it is, and turns any other error into a failure of the broker. */
export function violationOf(error: unknown): Violation {
  if (error instanceof Violation) return error;
  return new Violation("the broker failed", error instanceof Error ? (error.stack ?? error.message) : String(error));
}
