import type { BrokerId } from "@samsa/base";

interface Peer {
  /** Call without an answer; undefined: none. */
  call: number | undefined;
  /** Time at which the call is given up, or at which the next one may be sent. */
  until: number;
}

/** Calls to other nodes: one at a time to each, and a pause after a failure (`RequestManager`). */
export class Peers {
  readonly #peers = new Map<BrokerId, Peer>();
  readonly #timeoutMs: number;
  readonly #backoffMs: number;
  #calls = 0;

  constructor(timeoutMs: number, backoffMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#backoffMs = backoffMs;
  }

  /** True if a call may be sent to the node. */
  isReady(id: BrokerId, now: number): boolean {
    const peer = this.#peers.get(id);
    return peer === undefined || now >= peer.until;
  }

  get isAnyWaiting(): boolean {
    return [...this.#peers.values()].some(({ call }) => call !== undefined);
  }

  /** Counts a new call; returns its number. */
  sent(id: BrokerId, now: number): number {
    const call = ++this.#calls;
    this.#peers.set(id, { call, until: now + this.#timeoutMs });
    return call;
  }

  /** Node of a call that waits for its answer; undefined if the call was given up. */
  nodeOf(call: number): BrokerId | undefined {
    for (const [id, peer] of this.#peers) if (peer.call === call) return id;
    return undefined;
  }

  /** Takes the answer of a call. False if the call was given up: the answer is ignored. */
  answered(call: number): boolean {
    const id = this.nodeOf(call);
    return id !== undefined && this.#peers.delete(id);
  }

  /** Leaves a node alone for a while. */
  pause(id: BrokerId, now: number): void {
    this.#peers.set(id, { call: undefined, until: now + this.#backoffMs });
  }

  /** Gives up calls whose time is over. */
  expire(now: number): void {
    for (const [id, { until }] of this.#peers) if (now >= until) this.#peers.delete(id);
  }

  /** Gives up all calls: their answers concern an epoch or a role that is over. */
  reset(): void {
    this.#peers.clear();
  }

  /** Time at which the next node becomes ready; Infinity if all are. */
  next(): number {
    let next = Infinity;
    for (const { until } of this.#peers.values()) next = Math.min(next, until);
    return next;
  }
}
