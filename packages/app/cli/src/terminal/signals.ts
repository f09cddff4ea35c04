import { readFileSync } from "node:fs";

/** Time within which several signals count as one, in ms: a terminal and npm both pass on a Ctrl-C. */
const SAME_SIGNAL_MS = 300;

/** Time between two looks whether npm has ended, in ms. */
const NPM_MS = 500;

/** Reactions of a process that serves until it is stopped. */
export interface SignalActions {
  /** Called once, at the first SIGINT, SIGTERM or SIGHUP, or when the supervisor of this process has ended. */
  readonly stop: () => void;
  /** Called at a further one. */
  readonly kill: () => void;
  /** Called for a signal that does nothing. */
  readonly ignored: (why: string, signal: string) => void;
}

/** Handles the signals of a process that serves. */
export function onSignals({ stop, kill, ignored }: SignalActions): void {
  let stoppingSince: number | undefined;
  const onStop = (): void => {
    const now = performance.now();
    if (stoppingSince === undefined) {
      stoppingSince = now;
      stop();
    } else if (now - stoppingSince > SAME_SIGNAL_MS) kill();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onStop);
  // A closed terminal sends SIGHUP. Node resets the ignored signal that nohup sets, so the start script records it.
  if (process.env.SAMSA_NOHUP === undefined) process.on("SIGHUP", onStop);
  else process.on("SIGHUP", () => ignored("the terminal is closed; the broker goes on, as nohup asks", "SIGHUP"));
  // Without handlers, these signals would end the process or open Node's debugger.
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
    process.on(signal, () => ignored("this signal has no meaning and is ignored", signal));
  }
  // The channel to a supervisor closes when it ends, however that happens.
  if (process.connected) process.once("disconnect", onStop);
  else if (process.env.npm_lifecycle_event !== undefined) onEndOfNpm(onStop);
}

/** Ids of the parent and, on Linux, of its parent: npm starts programs by a shell, which may live on without it. */
function forebears(): string {
  try {
    const after = readFileSync(`/proc/${process.ppid}/stat`, "latin1").split(") ").at(-1) ?? "";
    return `${process.ppid} ${after.split(" ")[1]}`;
  } catch {
    return String(process.ppid);
  }
}

/** Parents at the start of this program: npm may end while it loads. */
const FIRST_FOREBEARS = forebears();

/** Calls `ended` once npm or npx, which started this process, has ended: it passes signals on to its shell only. */
function onEndOfNpm(ended: () => void): void {
  const timer = setInterval(() => {
    if (forebears() === FIRST_FOREBEARS) return;
    clearInterval(timer);
    ended();
  }, NPM_MS);
  timer.unref();
}
