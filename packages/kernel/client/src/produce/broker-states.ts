import type { BrokerId } from "@samsa/base";
import type { ProducerSettings } from "./producer-settings.ts";

interface BrokerState {
  /** Produce requests under way. */
  inFlight: number;
  /** Monotonic time in ms until which the broker wants no requests (KIP-219). */
  throttledUntil: number;
  /** Time since which batches are ready that the broker cannot take; Infinity: it can. */
  blockedSince: number;
}

/** Brokers as a producer sees them: requests in flight, and whether they take more. */
export class BrokerStates {
  readonly #settings: ProducerSettings;
  readonly #brokers = new Map<BrokerId, BrokerState>();

  constructor(settings: ProducerSettings) {
    this.#settings = settings;
  }

  #state(id: BrokerId): BrokerState {
    let state = this.#brokers.get(id);
    if (state === undefined) {
      state = { inFlight: 0, throttledUntil: -Infinity, blockedSince: Infinity };
      this.#brokers.set(id, state);
    }
    return state;
  }

  isIdle(id: BrokerId): boolean {
    return (this.#brokers.get(id)?.inFlight ?? 0) === 0;
  }

  /** True if the broker takes a request now. */
  isFree(id: BrokerId, now: number): boolean {
    const state = this.#brokers.get(id);
    return state === undefined || (state.inFlight < this.#settings.maxInFlight && now >= state.throttledUntil);
  }

  /** Time at which the broker's throttle ends; −Infinity if there is none. */
  throttledUntil(id: BrokerId): number {
    return this.#brokers.get(id)?.throttledUntil ?? -Infinity;
  }

  /** False if batches have been ready for the broker for longer than `partitioner.availability.timeout.ms`. */
  isAvailable(id: BrokerId, now: number): boolean {
    const { availabilityTimeoutMs } = this.#settings;
    if (availabilityTimeoutMs === 0) return true;
    return now - (this.#brokers.get(id)?.blockedSince ?? Infinity) <= availabilityTimeoutMs;
  }

  /** Batches are ready that the broker cannot take. */
  blocked(id: BrokerId, now: number): void {
    const state = this.#state(id);
    state.blockedSince = Math.min(state.blockedSince, now);
  }

  /** A request leaves. */
  began(id: BrokerId): void {
    const state = this.#state(id);
    state.inFlight++;
    state.blockedSince = Infinity;
  }

  /** A request has ended; the broker wants no other for `throttleMs`. */
  ended(id: BrokerId, throttleMs: number, now: number): void {
    const state = this.#state(id);
    state.inFlight--;
    if (throttleMs > 0) state.throttledUntil = Math.max(state.throttledUntil, now + throttleMs);
    // Brokers come and go; those without news are forgotten.
    if (state.inFlight === 0 && state.throttledUntil <= now && state.blockedSince === Infinity)
      this.#brokers.delete(id);
  }
}
