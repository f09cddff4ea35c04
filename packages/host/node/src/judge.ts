import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { isLarge, type Judgement, type JudgeRules } from "@samsa/records";

interface Waiting {
  readonly resolve: (judgement: Judgement) => void;
  readonly reject: (error: Error) => void;
}

type Answer = { readonly id: number } & ({ readonly judgement: Judgement } | { readonly failure: string });

/** One thread and what it has to do. */
class Bench {
  readonly waiting = new Map<number, Waiting>();
  readonly #worker: Worker;

  constructor(ended: () => void) {
    // Beside this file, whatever this file has become: a source, compiled, or a part of a bundle.
    this.#worker = new Worker(new URL(`./judge-worker${extname(import.meta.url)}`, import.meta.url));
    // An idle thread must not keep the process alive.
    this.#worker.unref();
    this.#worker.on("message", (answer: Answer) => this.#answered(answer));
    this.#worker.on("error", error => this.#fail(error));
    this.#worker.on("exit", () => {
      ended();
      this.#fail(new Error("the thread has ended"));
    });
  }

  ask(id: number, waiting: Waiting, work: { bytes: Uint8Array; rules: JudgeRules; now: number }): void {
    // First the message: one that cannot be sent is not waited for.
    this.#worker.postMessage({ id, ...work }, [work.bytes.buffer as ArrayBuffer]);
    this.waiting.set(id, waiting);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered(answer: Answer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ("judgement" in answer) waiting?.resolve(answer.judgement);
    else waiting?.reject(new Error(answer.failure));
  }

  #fail(error: Error): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of all) reject(error);
  }
}

export interface NodeJudge {
  /** Whether judging a batch here would hold up everybody else. */
  wants(bytes: Uint8Array, rules: JudgeRules): boolean;
  /** Judges a batch on another thread. `bytes` are handed over and must be all of their buffer. */
  judge(bytes: Uint8Array, rules: JudgeRules, now: number): Promise<Judgement>;
  /** Ends the threads; what they were doing is rejected. */
  close(): Promise<void>;
}

/** Up to `threads` threads, begun when there is work for them; one that ends is replaced by the next work. */
export function nodeJudge(threads: number): NodeJudge {
  const benches = new Set<Bench>();
  let nextId = 0;

  const free = (): Bench => {
    const [idlest] = [...benches].sort((a, b) => a.waiting.size - b.waiting.size);
    if (idlest !== undefined && (idlest.waiting.size === 0 || benches.size >= threads)) return idlest;
    const bench: Bench = new Bench(() => benches.delete(bench));
    benches.add(bench);
    return bench;
  };

  return {
    wants: isLarge,
    judge: (bytes, rules, now) =>
      new Promise((resolve, reject) => free().ask(nextId++, { resolve, reject }, { bytes, rules, now })),
    async close() {
      await Promise.all([...benches].map(bench => bench.end()));
    },
  };
}
