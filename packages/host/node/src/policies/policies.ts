import { extname } from "node:path";
import { ignored } from "@samsa/base";
import { ClassThread, THREAD_DEFAULTS, type ThreadOptions } from "../classes/class-thread.ts";
import type { PolicyMessage, PolicyObjection, PolicyQuestion, PolicyWork } from "./policy-worker.ts";

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
export interface PolicyOptions extends ThreadOptions {
  /** Most questions that wait; default: 1000. */
  readonly waiting: number;
}

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
  const policies = new Policies({ classes, configs }, { ...THREAD_DEFAULTS, waiting: 1000, ...options });
  await policies.start();
  return policies;
}

class Policies implements NodePolicies {
  readonly #thread: ClassThread<PolicyQuestion, PolicyMessage>;
  readonly #most: number;
  /** Ends with the question that was asked last. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(data: PolicyWork, options: PolicyOptions) {
    // The worker lies beside this file, whether that is a source, compiled or part of a bundle.
    const url = new URL(`./policy-worker${extname(import.meta.url)}`, import.meta.url);
    this.#thread = new ClassThread({ url, data, what: "the thread of the policies" }, options);
    this.#most = options.waiting;
  }

  async start(): Promise<void> {
    await this.#thread.start();
  }

  async judge(policy: string, request: object): Promise<PolicyObjection | undefined> {
    if (this.#waiting >= this.#most) return BUSY;
    this.#waiting++;
    const answer = this.#last.then(() => this.#thread.ask({ policy, request }));
    this.#last = answer.catch(ignored("who asked is told"));
    try {
      const message = await answer;
      return message.type === "answer" ? message.objection : undefined;
    } finally {
      this.#waiting--;
    }
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
