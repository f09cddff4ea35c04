import type { ChildProcess } from "node:child_process";

/** Kills what still runs of `children`, waits until all have ended, and forgets them. */
export async function endAll(children: ChildProcess[]): Promise<void> {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
}
