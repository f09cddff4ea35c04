import { Child } from "../processes/child.ts";
import type { Program } from "../processes/runtimes.ts";

/** Longest time of a tool, in ms. */
const DEADLINE_MS = 60_000;

/** End of a program. */
export interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly out: string;
  readonly err: string;
}

/** Line of `java/ScriptRunner.java`; without a code if the tool ends the process, too. */
interface Answer extends Omit<Ended, "code"> {
  readonly code: number | null;
}

/** Runs Kafka's tools one after the other in one process (`java/ScriptRunner.java`), which starts again after a tool that hangs. */
export class ScriptRunner {
  readonly #program: Program;
  #child: Child | undefined;
  #answered: ((answer: Ended) => void) | undefined;

  constructor(program: Program) {
    this.#program = program;
  }

  #start(): Child {
    const { command, args } = this.#program;
    let last = { out: "", err: "the process of the tools has ended" };
    const onLine = (line: string): void => {
      const answer = JSON.parse(line) as Answer;
      if (answer.code === null) last = answer;
      else this.#answer({ ...answer, code: answer.code });
    };
    const child = new Child(command, args, { onLine });
    const ended = (code: number | NodeJS.Signals): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#answer({ ...last, code });
    };
    child.exited.then(ended, () => ended(-1));
    return child;
  }

  #answer(answer: Ended): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.(answer);
  }

  /** Runs the tool of a class to its end. */
  run(main: string, args: readonly string[], input: string): Promise<Ended> {
    const child = (this.#child ??= this.#start());
    const answer = new Promise<Ended>(resolve => {
      this.#answered = resolve;
    });
    const timer = setTimeout(() => child.kill(), DEADLINE_MS);
    child.write(`${JSON.stringify({ main, args, input })}\n`);
    return answer.finally(() => clearTimeout(timer));
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await child?.end("SIGKILL");
  }
}

/** Runs a program to its end. */
export async function runProgram({ command, args }: Program, input: string): Promise<Ended> {
  const child = new Child(command, args, { input });
  const timer = setTimeout(() => child.kill(), DEADLINE_MS);
  const code = await child.exited;
  clearTimeout(timer);
  return { code, out: child.lines.map(line => `${line}\n`).join(""), err: child.stderr };
}
