import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What came of one seed. */
export interface SeedReport {
  readonly seed: number;
  readonly hash?: string;
  readonly events?: number;
  readonly acknowledged?: number;
  readonly served?: number;
  readonly commits?: number;
  readonly endings?: readonly string[];
  readonly rule?: string;
  readonly message?: string;
  /** The run itself could not be made. */
  readonly fault?: string;
}

export interface SeedRun {
  /** Arguments of `sim-worker.ts`. */
  readonly args: readonly string[];
  /** The process is ended when a seed takes longer. */
  readonly limitMs?: number;
  readonly told: (report: SeedReport) => void;
}

/** Plays seeds in another process; resolves with false when it had to be ended. */
export function playSeeds({ args, limitMs, told }: SeedRun): Promise<boolean> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "sim-worker.ts"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let inTime = true;
  const timer =
    limitMs === undefined
      ? undefined
      : setTimeout(() => {
          inTime = false;
          child.kill("SIGKILL");
        }, limitMs);
  const lines = createInterface({ input: child.stdout });
  lines.on("line", line => {
    timer?.refresh();
    told(JSON.parse(line) as SeedReport);
  });
  const read = new Promise<void>(resolve => void lines.once("close", resolve));
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  return Promise.all([read, ended]).then(
    () => {
      clearTimeout(timer);
      return inTime;
    },
    (error: unknown) => {
      clearTimeout(timer);
      throw error;
    },
  );
}
