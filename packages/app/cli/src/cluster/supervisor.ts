import { type BrokerId, ignored, type Logger } from "@samsa/base";
import type { ChildNode, NodeFacts } from "./child-node.ts";

/** Longest time that the nodes may take to stop before they are killed, in ms. */
const STOP_MS = 60_000;

/** A node and its role. */
export interface Supervised {
  readonly node: ChildNode;
  readonly isController: boolean;
}

/** Nodes of a cluster on one machine: starts them together, and stops them in order. */
export class Supervisor {
  readonly #nodes: readonly Supervised[];
  readonly #logger: Logger;

  constructor(nodes: readonly Supervised[], logger: Logger) {
    this.#nodes = nodes;
    this.#logger = logger;
  }

  get nodes(): readonly ChildNode[] {
    return this.#nodes.map(({ node }) => node);
  }

  /** Starts all nodes; resolves once all serve. If one cannot start, ends the others and rejects with its failure. */
  async start(): Promise<ReadonlyMap<BrokerId, NodeFacts>> {
    const starts = this.#nodes.map(async ({ node }) => [node.id, await node.start()] as const);
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
   * Stops the nodes: first those that are brokers only, which hand over their partitions with the controllers' consent,
   * then the others together, as the last of them would find no majority. Kills those that take too long.
   */
  async stop(): Promise<void> {
    const timer = setTimeout(() => {
      this.#logger.warn("nodes that do not stop are killed", { afterMs: STOP_MS });
      this.kill().catch(ignored("the stop below waits for the same ends"));
    }, STOP_MS);
    try {
      for (const isController of [false, true]) {
        const group = this.#nodes.filter(supervised => supervised.isController === isController);
        await Promise.all(group.map(({ node }) => node.stop("SIGTERM")));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills all nodes. */
  async kill(): Promise<void> {
    await Promise.all(this.#nodes.map(({ node }) => node.stop("SIGKILL")));
  }
}
