import { type BrokerId, ignored, type Logger } from "@samsa/base";
import type { ChildNode, NodeFacts } from "./child-node.ts";

/** Longest time that the nodes may take to stop before they are killed, in ms. */
const STOP_MS = 60_000;

/** Longest time that the nodes may take to hand over their partitions, in ms. */
const HAND_OVER_MS = 15_000;

/** Nodes of a cluster on one machine: starts them together, and stops them in order. */
export class Supervisor {
  readonly nodes: readonly ChildNode[];
  readonly #logger: Logger;

  constructor(nodes: readonly ChildNode[], logger: Logger) {
    this.nodes = nodes;
    this.#logger = logger;
  }

  /** Starts all nodes; resolves once all serve. If one cannot start, ends the others and rejects with its failure. */
  async start(): Promise<ReadonlyMap<BrokerId, NodeFacts>> {
    const starts = this.nodes.map(async node => [node.id, await node.start()] as const);
    try {
      return new Map(await Promise.all(starts));
    } catch (error) {
      await this.kill();
      // All have ended: those that fail after the first one have told their reason in the log.
      await Promise.allSettled(starts);
      throw error;
    }
  }

  /**
   * Stops the nodes: all of them hand over their partitions while all controllers are there, as the last one alone would
   * find no majority; then all end. Kills those that take too long.
   */
  async stop(): Promise<void> {
    const timer = setTimeout(() => {
      this.#logger.warn("nodes that do not stop are killed", { afterMs: STOP_MS });
      this.kill().catch(ignored("the stop below waits for the same ends"));
    }, STOP_MS);
    try {
      await Promise.race([Promise.all(this.nodes.map(node => node.handOver())), this.#limit()]);
      await Promise.all(this.nodes.map(node => node.stop("SIGTERM")));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Longest time that all nodes may take to hand over: one that hangs must not keep the others. */
  #limit(): Promise<void> {
    return new Promise(resolve => {
      setTimeout(resolve, HAND_OVER_MS).unref();
    });
  }

  /** Kills all nodes. */
  async kill(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.stop("SIGKILL")));
  }
}
