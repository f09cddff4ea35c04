import { extname } from "node:path";
import { ClassThread, THREAD_DEFAULTS, type ThreadOptions } from "../classes/class-thread.ts";
import type { QuotaAnswer, QuotaCall, QuotaMessage, QuotaWork } from "./quota-worker.ts";

/** Quota callback of a node on a thread of its own, so that nothing that it does stops the node. */
export interface NodeQuotaCallback {
  /** True if it has `updateClusterMetadata`. */
  readonly wantsCluster: boolean;
  /**
   * Carries out calls, which must wait for the answers to those before. Rejects if the thread gives no answers: it is
   * replaced for the next calls.
   */
  call(calls: readonly QuotaCall[]): Promise<readonly QuotaAnswer[]>;
  /** Closes the callback; open calls are rejected. */
  close(): Promise<void>;
}

/**
 * Loads a quota callback on a worker thread. `name` is its module: a path, or a package, and after a `#` the class if it is
 * not the default export. Rejects with a sentence if it cannot be loaded.
 */
export async function nodeQuotaCallback(
  name: string,
  configs: QuotaWork["configs"],
  options: Partial<ThreadOptions> = {},
): Promise<NodeQuotaCallback> {
  // The worker lies beside this file, whether that is a source, compiled or part of a bundle.
  const url = new URL(`./quota-worker${extname(import.meta.url)}`, import.meta.url);
  const data: QuotaWork = { name, configs };
  const thread = new ClassThread<readonly QuotaCall[], QuotaMessage>(
    { url, data, what: "the thread of the quota callback" },
    { ...THREAD_DEFAULTS, ...options },
  );
  const first = await thread.start();
  return {
    wantsCluster: first.type === "loaded" && first.wantsCluster,
    call: async calls => {
      const message = await thread.ask(calls);
      return message.type === "answers" ? message.answers : [];
    },
    close: () => thread.close(),
  };
}
