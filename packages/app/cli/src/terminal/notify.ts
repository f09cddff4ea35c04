import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { ignored } from "@samsa/base";
import { Failure } from "./failure.ts";

/** Time between two requests for more time during a start, in ms, and the time that each asks for. */
const EXTEND_MS = 20_000;
const EXTENSION_US = 60_000_000;
/** Longest run of the program that tells it, in ms: a stop waits for it. */
const TOLD_MS = 5000;

/** Supervisor that wants to know how a node fares: systemd, for units of Type=notify. */
export interface Notifier {
  readonly ready: () => void;
  /** Calls `then` once the supervisor knows, or cannot be told. */
  readonly stopping: (then: () => void) => void;
}

/**
 * Tells systemd of this process by its program `systemd-notify`: Node has no datagram sockets of the Unix domain. Asks for more
 * time until the node is ready. Does nothing unless NOTIFY_SOCKET is set. `failed` hears that the program is missing.
 */
export function notifier(failed: (error: Error) => void): Notifier {
  if ((process.env.NOTIFY_SOCKET ?? "") === "") return { ready: ignored("nobody asks"), stopping: then => then() };
  const tell = (words: readonly string[], then: () => void = ignored("nothing waits for it")): void => {
    execFile("systemd-notify", [`--pid=${process.pid}`, ...words], { timeout: TOLD_MS }, error => {
      if (error !== null) failed(error);
      then();
    });
  };
  const timer = setInterval(() => tell([`EXTEND_TIMEOUT_USEC=${EXTENSION_US}`]), EXTEND_MS);
  timer.unref();
  return {
    ready: () => {
      clearInterval(timer);
      tell(["READY=1"]);
    },
    stopping: then => {
      clearInterval(timer);
      tell(["STOPPING=1"], then);
    },
  };
}

/** Writes the id of this process to a file, which goes when the process ends by itself. Throws `Failure`. */
export function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    throw new Failure(`cannot write the pid file ${path}: ${(error as Error).message}`);
  }
  process.once("exit", () => rmSync(path, { force: true }));
}
