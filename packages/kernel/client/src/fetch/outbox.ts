import type { ClusterView } from "../cluster/cluster-view.ts";
import type { MetadataEffect } from "../cluster/leader-hint.ts";
import type { Moment } from "../offsets/moment.ts";
import type { FetchEffect } from "./fetch-effects.ts";

const NONE: readonly never[] = [];

/** Effects that the caller has not taken yet, and the numbers of the requests among them. */
export class Outbox<Effect = FetchEffect> {
  readonly #cluster: ClusterView;
  readonly #askAgainMs: number;
  #effects: (Effect | MetadataEffect)[] = [];
  #tickets = 0;
  #askedVersion = -1;
  #askAgainAt = -Infinity;

  constructor(cluster: ClusterView, askAgainMs: number) {
    this.#cluster = cluster;
    this.#askAgainMs = askAgainMs;
  }

  /** Number of a new request. */
  ticket(): number {
    return ++this.#tickets;
  }

  send(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Monotonic time at which `askMetadata` asks again for the same metadata. */
  get askAgainAt(): number {
    return this.#askAgainAt;
  }

  /** Asks for the metadata, once for each version of it and back-off. */
  askMetadata({ now }: Moment): void {
    const { version } = this.#cluster;
    if (version === this.#askedVersion && now < this.#askAgainAt) return;
    this.#askedVersion = version;
    this.#askAgainAt = now + this.#askAgainMs;
    this.#effects.push({ type: "refreshMetadata" });
  }

  /** Effects since the last call. */
  take(): readonly (Effect | MetadataEffect)[] {
    if (this.#effects.length === 0) return NONE;
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
