import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { isLarge, type Judgement, type JudgeRules } from "@samsa/records";

interface Waiting {
  readonly resolve: (judgement: Judgement) => void;
  readonly reject: (error: Error) => void;
}

type Answer = { readonly id: number } & ({ readonly judgement: Judgement } | { readonly failure: string });

/** A worker thread and its pending batches. */
class Bench {
  readonly waiting = new Map<number, Waiting>();
  readonly #worker: Worker;

  constructor(ended: () => void) {
    // The worker lies beside this file, whether that is a source, compiled or part of a bundle.
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
    // Send first: if the message cannot be sent, no answer will come.
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

/** Validation of produced batches on worker threads. */
export interface NodeJudge {
  /** True if validating the batch on the calling thread would block the event loop for long. */
  wants(bytes: Uint8Array, rules: JudgeRules): boolean;
  /**
   * Validates a batch on a worker thread. `bytes` must cover its whole buffer, which is transferred. `now` is in
   * milliseconds since the epoch.
   */
  judge(bytes: Uint8Array, rules: JudgeRules, now: number): Promise<Judgement>;
  /** Ends the threads; pending batches are rejected. */
  close(): Promise<void>;
}

/**
 * Creates up to `threads` worker threads, each when it is first needed. A thread that has ended is replaced when
 * needed.
 */
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
