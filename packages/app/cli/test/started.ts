import { type ChildProcess, spawn } from "node:child_process";
import { MAIN } from "./bundle.ts";

/** First line of `samsa start --json`: the addresses of the broker. */
export interface Ready {
  readonly listeners: readonly { readonly name: string; readonly host: string; readonly port: number }[];
  readonly http: string | null;
}

/** Starts a broker in a folder, and adds its process to `running`; resolves with its first line. */
export function started(
  directory: string,
  running: ChildProcess[],
  args: readonly string[],
): Promise<{ ready: Ready; child: ChildProcess }> {
  const child = spawn(process.execPath, [MAIN, "start", "--json", ...args], { cwd: directory });
  running.push(child);
  return new Promise((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const end = said.indexOf("\n");
      if (end >= 0) resolve({ ready: JSON.parse(said.slice(0, end)) as Ready, child });
    });
    child.once("exit", code => reject(new Error(`the broker ended with ${code}`)));
  });
}
