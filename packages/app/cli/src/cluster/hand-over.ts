import type { ChildProcess } from "node:child_process";
import { type Logger, ignored } from "@samsa/base";

/** Message by which a supervisor asks its node to hand over its partitions, and the node's answer. */
const HAND_OVER = "hand over";
const HANDED_OVER = "handed over";

/** Calls `handOver` when the supervisor of this process, if there is one, asks for it, and answers once it has ended. */
export function answerSupervisor(handOver: () => Promise<void>): void {
  if (!process.connected) return;
  process.on("message", message => {
    if (message !== HAND_OVER) return;
    // The stop that follows reports a failure.
    const answer = (): void => void process.send?.(HANDED_OVER, ignored("without a supervisor, nobody waits"));
    handOver().then(answer, answer);
  });
}

/** Asks a node to hand over its partitions; resolves once it has, or has ended. */
export function askToHandOver(child: ChildProcess, logger: Logger): Promise<void> {
  return new Promise(resolve => {
    child.on("message", message => {
      if (message === HANDED_OVER) resolve();
    });
    child.once("close", () => resolve());
    child.send(HAND_OVER, error => {
      if (error === null) return;
      logger.info("a node cannot be asked to hand over its partitions", { pid: child.pid, error });
      resolve();
    });
  });
}
