import type { AcknowledgeType } from "@samsa/client-kernel";
import type { CancelSignal } from "../cluster/deadline.ts";
import { LoopStream } from "../cluster/loop-stream.ts";
import type { AcknowledgementMode } from "./share-settings.ts";
import type { ShareRecord } from "./share-record.ts";
import type { ShareRuntime } from "./share-runtime.ts";

/** Parts of a `ShareStream`. */
export interface ShareStreamOptions {
  readonly mode: AcknowledgementMode;
  /** Records to ask for when there are none. */
  readonly count: number;
  readonly signal: CancelSignal | undefined;
}

/**
 * Records, one by one. With implicit acknowledgement, a record that the application has not acknowledged itself is
 * accepted when the next one is asked for, and released if the loop is left.
 */
export class ShareStream extends LoopStream<ShareRecord> {
  readonly #runtime: ShareRuntime;
  readonly #mode: AcknowledgementMode;
  readonly #count: number;
  #current: ShareRecord | undefined;

  /** Calls `closed` when the stream is over, once. */
  constructor(runtime: ShareRuntime, { mode, count, signal }: ShareStreamOptions, closed: () => void) {
    super({ loop: runtime.loop, signal, closed });
    this.#runtime = runtime;
    this.#mode = mode;
    this.#count = count;
  }

  /** Record that is there already; undefined: none, or the stream is over. */
  override poll(): ShareRecord | undefined {
    this.progressed();
    if (this.#runtime.isClosing) this.close();
    if (this.isOver) return undefined;
    const record = this.#runtime.take();
    if (record === undefined) this.#runtime.want(this.#count);
    return (this.#current = record);
  }

  protected override progressed(): void {
    this.accept();
  }

  /** Accepts the record that the application has, if that is implied. */
  accept(): void {
    this.#settle("accept");
  }

  /** Ends the stream, also while `next` waits. */
  override end(): void {
    this.#settle("release");
    super.end();
  }

  #settle(type: AcknowledgeType): void {
    const current = this.#current;
    this.#current = undefined;
    if (this.#mode === "implicit" && current?.isHeld === true) this.#runtime.acknowledge(current, type);
  }
}
