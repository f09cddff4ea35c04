import { Worker } from "node:worker_threads";
import { ignored } from "@samsa/base";

/** Bounds of a thread with classes of an operator, and who hears of its failures. */
export interface ThreadOptions {
  /** Longest time for an answer, and for `close`, in ms; default: 5000. */
  readonly answerMs: number;
  /** Longest time for a start with `configure`, in ms; default: 30000. */
  readonly startMs: number;
  /** Memory of the thread, in MiB; default: 256. */
  readonly heapMb: number;
  /** Called with the error that has ended the thread between two questions, for which a new one is begun. */
  readonly failed: (error: Error) => void;
}

/** Defaults of the bounds. */
export const THREAD_DEFAULTS: ThreadOptions = {
  ...{ answerMs: 5000, startMs: 30_000, heapMb: 256 },
  failed: ignored("the caller does not want to know"),
};

/** Asks the thread to close its classes and to end. */
export const CLOSE = "close";

/** First message of a thread if it has not loaded its classes. */
export interface LoadFailure {
  readonly type: "failed";
  readonly why: string;
}

/** Code of a thread, and what it is called in sentences, as in "the thread of the policies". */
interface ThreadWork {
  readonly url: URL;
  readonly data: object;
  readonly what: string;
}

/**
 * Thread that answers one question at a time, and that is replaced if it gives no answer. Its first message is a
 * `LoadFailure`, or says that it has loaded.
 */
export class ClassThread<Question, Answer extends { readonly type: string }> {
  readonly #work: ThreadWork;
  readonly #options: ThreadOptions;
  /** Thread that has loaded the classes. */
  #worker: Worker | undefined;
  /** True while a message of the thread is expected. */
  #isAsking = false;
  #isClosed = false;

  constructor(work: ThreadWork, options: ThreadOptions) {
    this.#work = work;
    this.#options = options;
  }

  /** Starts the thread; resolves with its first message. Rejects with a sentence if it cannot load the classes. */
  async start(): Promise<Answer> {
    const { url, data, what } = this.#work;
    const resourceLimits = { maxOldGenerationSizeMb: this.#options.heapMb };
    const worker = new Worker(url, { workerData: data, resourceLimits });
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
    if (isFailure(first) || this.#isClosed) {
      await worker.terminate();
      throw new Error(isFailure(first) ? first.why : `${what} is closed`);
    }
    this.#worker = worker;
    return first;
  }

  /** Asks a question, which must wait for the answer to the one before. Rejects if there is no answer. */
  async ask(question: Question): Promise<Answer> {
    if (this.#isClosed) throw new Error(`${this.#work.what} is closed`);
    if (this.#worker === undefined) await this.start();
    const worker = this.#worker;
    if (worker === undefined) throw new Error(`${this.#work.what} has ended`);
    worker.postMessage(question);
    const answer = await this.#next(worker, this.#options.answerMs);
    if (isFailure(answer)) throw new Error(answer.why);
    return answer;
  }

  /** Next message of a thread. Ends the thread if there is none in time. */
  #next(worker: Worker, ms: number): Promise<Answer | LoadFailure> {
    const { what } = this.#work;
    this.#isAsking = true;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#isAsking = false;
        clearTimeout(timer);
        worker.off("message", told).off("error", failed).off("exit", ended);
        settle();
      };
      const told = (message: Answer | LoadFailure): void => end(() => resolve(message));
      const failed = (error: Error): void => {
        if (this.#worker === worker) this.#worker = undefined;
        end(() => reject(error));
      };
      const ended = (): void => failed(new Error(`${what} has ended`));
      const timer = setTimeout(() => {
        failed(new Error(`${what} has not answered within ${ms} ms`));
        worker.terminate().catch(ignored("the thread has ended by itself"));
      }, ms);
      worker.on("message", told).on("error", failed).on("exit", ended);
    });
  }

  /** Closes the classes; open questions are rejected. */
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

function isFailure(message: { readonly type: string }): message is LoadFailure {
  return message.type === "failed";
}
