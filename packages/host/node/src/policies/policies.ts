import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { ignored } from "@samsa/base";
import {
  CLOSE,
  type PolicyMessage,
  type PolicyObjection,
  type PolicyQuestion,
  type PolicyWork,
} from "./policy-worker.ts";

/** Policies of a controller on a thread of their own, so that nothing that they do stops the controller. */
export interface NodePolicies {
  /**
   * Returns the objection of a policy to a request; undefined: it has none. A policy that throws an error of Kafka, by its `code`, or a
   * `PolicyViolationError`, objects with it; without a code it has failed. Rejects if the thread gives no answer: it is
   * replaced for the next question.
   */
  judge(policy: string, request: object): Promise<PolicyObjection | undefined>;
  /** Closes the policies; open questions are rejected. */
  close(): Promise<void>;
}

/** Bounds of `nodePolicies`, and who hears of its failures. */
export interface PolicyOptions {
  /** Longest time for an answer, and for `close`, in ms; default: 5000. */
  readonly answerMs: number;
  /** Longest time for a start with `configure`, in ms; default: 30000. */
  readonly startMs: number;
  /** Most questions that wait; default: 1000. */
  readonly waiting: number;
  /** Memory of the thread, in MiB; default: 256. */
  readonly heapMb: number;
  /** Called with the error that has ended the thread between two questions, for which a new one is begun. */
  readonly failed: (error: Error) => void;
}

const DEFAULTS: PolicyOptions = {
  ...{ answerMs: 5000, startMs: 30_000, waiting: 1000, heapMb: 256 },
  failed: ignored("the caller does not want to know"),
};

const BUSY: PolicyObjection = { code: "REQUEST_TIMED_OUT", message: "Too many requests wait for the policies." };

/**
 * Loads policies on a worker thread. `classes` names the module of each: a path, or a package, and after a `#` the class
 * if it is not the default export. Rejects with a sentence if one cannot be loaded.
 */
export async function nodePolicies(
  classes: PolicyWork["classes"],
  configs: PolicyWork["configs"],
  options: Partial<PolicyOptions> = {},
): Promise<NodePolicies> {
  const thread = new PolicyThread({ classes, configs }, { ...DEFAULTS, ...options });
  await thread.start();
  return thread;
}

class PolicyThread implements NodePolicies {
  readonly #work: PolicyWork;
  readonly #options: PolicyOptions;
  /** Thread that has loaded the policies. */
  #worker: Worker | undefined;
  /** Ends with the question that was asked last. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** True while a message of the thread is expected. */
  #isAsking = false;
  #isClosed = false;

  constructor(work: PolicyWork, options: PolicyOptions) {
    this.#work = work;
    this.#options = options;
  }

  async start(): Promise<Worker> {
    // The worker lies beside this file, whether that is a source, compiled or part of a bundle.
    const url = new URL(`./policy-worker${extname(import.meta.url)}`, import.meta.url);
    const resourceLimits = { maxOldGenerationSizeMb: this.#options.heapMb };
    const worker = new Worker(url, { workerData: this.#work, resourceLimits });
    // An idle thread must not keep the process alive.
    worker.unref();
    const gone = (): void => {
      if (this.#worker === worker) this.#worker = undefined;
    };
    worker.on("error", error => {
      // The thread ends after this event: the next question is one for another.
      gone();
      // An answer that waits is rejected with it.
      if (!this.#isAsking) this.#options.failed(error);
    });
    worker.once("exit", gone);
    const first = await this.#next(worker, this.#options.startMs);
    if (first.type === "failed" || this.#isClosed) {
      await worker.terminate();
      throw new Error(first.type === "failed" ? first.why : "the policies are closed");
    }
    this.#worker = worker;
    return worker;
  }

  async judge(policy: string, request: object): Promise<PolicyObjection | undefined> {
    if (this.#waiting >= this.#options.waiting) return BUSY;
    this.#waiting++;
    const answer = this.#last.then(() => this.#ask({ policy, request }));
    this.#last = answer.catch(ignored("who asked is told"));
    try {
      return await answer;
    } finally {
      this.#waiting--;
    }
  }

  async #ask(question: PolicyQuestion): Promise<PolicyObjection | undefined> {
    if (this.#isClosed) throw new Error("the policies are closed");
    const worker = this.#worker ?? (await this.start());
    worker.postMessage(question);
    const message = await this.#next(worker, this.#options.answerMs);
    return message.type === "answer" ? message.objection : undefined;
  }

  /** Next message of a thread. Ends the thread if there is none in time. */
  #next(worker: Worker, ms: number): Promise<PolicyMessage> {
    this.#isAsking = true;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#isAsking = false;
        clearTimeout(timer);
        worker.off("message", told).off("error", failed).off("exit", ended);
        settle();
      };
      const told = (message: PolicyMessage): void => end(() => resolve(message));
      const failed = (error: Error): void => {
        if (this.#worker === worker) this.#worker = undefined;
        end(() => reject(error));
      };
      const ended = (): void => failed(new Error("the thread of the policies has ended"));
      const timer = setTimeout(() => {
        failed(new Error(`the policies have not answered within ${ms} ms`));
        worker.terminate().catch(ignored("the thread has ended by itself"));
      }, ms);
      worker.on("message", told).on("error", failed).on("exit", ended);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise<void>(resolve => worker.once("exit", () => resolve()));
    const timer = setTimeout(() => {
      worker.terminate().catch(ignored("the thread has ended by itself"));
    }, this.#options.answerMs);
    worker.ref();
    worker.postMessage(CLOSE);
    await ended;
    clearTimeout(timer);
  }
}
