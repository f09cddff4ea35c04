import type { Socket } from "node:net";
import { ignored } from "@samsa/base";
import type { Link } from "./link.ts";

/** Bytes that may wait for a link; beyond them the sender is not read. */
const MOST_HELD = 4 * 1024 * 1024;

/** Part of what a connection carries. */
interface Item {
  readonly at: number;
  /** undefined: the end of the connection. */
  readonly bytes: Buffer | undefined;
}

/** Direction of a connection: passes on what one socket receives, and its end, when the link lets it. */
export class Pump {
  readonly #from: Socket;
  readonly #link: Link;
  readonly #items: Item[] = [];
  /** Opens the other side when the first byte may pass. */
  readonly #reach: () => Socket;
  #to: Socket | undefined;
  #held = 0;
  #timer: NodeJS.Timeout | undefined;
  #isWaiting = false;

  constructor(from: Socket, link: Link, to: Socket | (() => Socket)) {
    this.#from = from;
    this.#link = link;
    // The end of a connection that never carried a byte must reach the other side, too.
    if (typeof to !== "function") this.#to = to;
    this.#reach = typeof to === "function" ? to : () => to;
    from.on("data", (bytes: Buffer) => this.push(bytes));
    from.on("error", ignored("the end of the connection follows"));
    from.once("close", () => this.#add({ at: performance.now() + link.latencyMs, bytes: undefined }));
  }

  /** Takes bytes that the socket has received. */
  push(bytes: Buffer): void {
    this.#held += bytes.length;
    if (this.#held > MOST_HELD) this.#from.pause();
    this.#add({ at: this.#link.arrival(performance.now(), bytes.length), bytes });
  }

  /** Drops everything that waits. */
  close(): void {
    clearTimeout(this.#timer);
    this.#items.length = 0;
    this.#from.destroy();
    this.#to?.destroy();
  }

  #add(item: Item): void {
    this.#items.push(item);
    this.#drain();
  }

  #drain(): void {
    clearTimeout(this.#timer);
    for (let item = this.#items[0]; item !== undefined; item = this.#items[0]) {
      if (this.#link.isCut) return this.#waitForLink();
      const left = item.at - performance.now();
      if (left > 0) {
        this.#timer = setTimeout(() => this.#drain(), left);
        return;
      }
      this.#items.shift();
      this.#pass(item);
    }
  }

  #waitForLink(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#link.wait(() => {
      this.#isWaiting = false;
      this.#drain();
    });
  }

  #pass({ bytes }: Item): void {
    if (bytes === undefined) {
      this.#to?.destroy();
      return;
    }
    this.#held -= bytes.length;
    this.#to ??= this.#reach();
    if (!this.#to.destroyed) this.#to.write(bytes);
    if (this.#held <= MOST_HELD / 2) this.#from.resume();
  }
}
