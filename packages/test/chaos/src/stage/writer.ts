import { type Acknowledged, type Load, until } from "@samsa/interop";
import { Gaps } from "../check/gaps.ts";

/** Clients that write. */
export interface Producer {
  readonly idempotent: boolean;
  load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load>;
}

const MORE_MS = 60_000;
/** Time for a client to deliver the rest once it is told to stop. */
const STOP_MS = 60_000;
/** Values that a client may have sent beyond the last acknowledged one. */
const AHEAD = 100_000;

/** Client that writes to a topic of its own from the start of a scenario to its end. */
export class Writer {
  readonly name: string;
  readonly topic: string;
  readonly acknowledged: Acknowledged[] = [];
  readonly gaps = new Gaps(() => performance.now());
  readonly #producer: Producer;
  #load: Load | undefined;
  #highest = -1;

  constructor(name: string, topic: string, producer: Producer) {
    this.name = name;
    this.topic = topic;
    this.#producer = producer;
  }

  get idempotent(): boolean {
    return this.#producer.idempotent;
  }

  async start(): Promise<void> {
    this.#load = await this.#producer.load(this.topic, ack => {
      this.acknowledged.push(ack);
      this.#highest = Math.max(this.#highest, Number.parseInt(ack.value, 10));
      this.gaps.event();
    });
  }

  /** Waits for `count` more records. */
  async more(count: number, when: string, deadlineMs = MORE_MS): Promise<void> {
    const wanted = this.acknowledged.length + count;
    await until(
      `${count} more records of ${this.name} acknowledged ${when}`,
      () => this.acknowledged.length >= wanted,
      deadlineMs,
    );
  }

  isSent(value: string): boolean {
    return /^\d+(?::|$)/.test(value) && Number.parseInt(value, 10) <= this.#highest + AHEAD;
  }

  /** Ends the load once everything sent is acknowledged. Rejects if the client gives up or does not end. */
  async stop(): Promise<void> {
    const load = this.#load;
    this.#load = undefined;
    if (load === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name} does not end within ${STOP_MS / 1000} s`)), STOP_MS);
    });
    await Promise.race([load.stop(), late]).finally(() => clearTimeout(timer));
  }
}
