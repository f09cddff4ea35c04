import type { Env } from "@samsa/base";
import type { Partition } from "../../replica/partition.ts";

/** Longest wait for an election, in ms. Clients that are refused wait at least as long before they try again. */
const ELECTION_MS = 100;

/**
 * Resolves once the role or the epoch of a partition changes here, or after `ELECTION_MS`. The last leader names the next
 * one to its clients (KIP-951), which ask it at once, and may be there before the news of the election. A refusal would
 * name the last leader again, and Kafka's producer waits 200 ms after a second one.
 */
export function election({ timers }: Env, partition: Partition): Promise<void> {
  return new Promise(resolve => {
    const over = (): void => {
      timer.cancel();
      partition.unwatch(watcher);
      resolve();
    };
    const watcher = { advanced() {}, changed: over };
    const timer = timers.after(ELECTION_MS, over);
    partition.watch(watcher);
  });
}
