import type { ChildProcess } from "node:child_process";

/** Kills the running `children`, waits until all have exited, and clears the list. */
export async function endAll(children: ChildProcess[]): Promise<void> {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
}
