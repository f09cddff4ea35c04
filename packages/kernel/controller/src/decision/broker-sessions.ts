import { type BrokerEpoch, type BrokerId, invariant, type Offset } from "@samsa/base";
import type { BrokerImage, MetadataChanges, MetadataImage } from "@samsa/metadata";

/** Soft state of a registered broker (`BrokerHeartbeatState`). */
interface Session {
  readonly epoch: BrokerEpoch;
  /** True if the broker runs in the process of this controller: its session is never over. */
  readonly isLocal: boolean;
  /** True if its process is known to have ended: another incarnation may register. */
  hasEnded: boolean;
  /** Monotonic time of the last heartbeat; undefined: there is no session. */
  contact: number | undefined;
  /** Last metadata offset that the broker reported; −1 before its first heartbeat. */
  metadataOffset: Offset;
  /** Offset that all active brokers must reach before the broker may stop; −1 outside of a controlled shutdown. */
  shutdownOffset: Offset;
  /** Offset up to which a broker has read its own registration. It may be larger, but not smaller. */
  readonly registrationOffset: Offset;
}

/** Input of `BrokerSessions`. */
interface SessionOptions {
  /** Monotonic time in milliseconds. */
  readonly now: number;
  /** `broker.session.timeout.ms` */
  readonly timeoutMs: number;
  /**
   * True if the process of that registration is known to have ended: its session is over at once. The only broker is
   * fenced by its next registration, or after the timeout: no other could lead its partitions meanwhile, and to fence it
   * first would change all of them twice.
   */
  readonly hasEnded: (broker: BrokerImage) => boolean;
  /** True if the registration is that of this process. */
  readonly isLocal: (broker: BrokerImage) => boolean;
}

/** Broker whose session is over. */
export interface ExpiredBroker {
  readonly brokerId: BrokerId;
  readonly epoch: BrokerEpoch;
}

/**
 * Sessions, metadata offsets and controlled shutdowns of the registered brokers (`BrokerHeartbeatManager`,
 * `BrokerHeartbeatTracker`). The metadata log has none of it: a controller that takes over gives every unfenced broker
 * a new session. There is one entry for each registered broker.
 */
export class BrokerSessions {
  readonly #timeoutMs: number;
  readonly #isLocal: SessionOptions["isLocal"];
  readonly #sessions = new Map<BrokerId, Session>();

  constructor(image: MetadataImage, { now, timeoutMs, hasEnded, isLocal }: SessionOptions) {
    this.#timeoutMs = timeoutMs;
    this.#isLocal = isLocal;
    for (const broker of image.brokers.values()) {
      const session = this.#begin(broker, image.provenance.offset);
      if (broker.fenced) continue;
      session.hasEnded = hasEnded(broker);
      session.contact = session.hasEnded && image.brokers.size > 1 ? -Infinity : now;
    }
  }

  #begin(broker: BrokerImage, registrationOffset: Offset): Session {
    const session = {
      epoch: broker.brokerEpoch,
      isLocal: this.#isLocal(broker),
      hasEnded: false,
      contact: undefined,
      metadataOffset: -1,
      shutdownOffset: -1,
      registrationOffset,
    };
    this.#sessions.set(broker.brokerId, session);
    return session;
  }

  /** Soft state of a registration. */
  of(broker: BrokerImage): Readonly<Session> {
    return this.#at(broker);
  }

  #at(broker: BrokerImage): Session {
    const session = this.#sessions.get(broker.brokerId);
    invariant(session?.epoch === broker.brokerEpoch, "every registration of the image has its soft state");
    return session;
  }

  /** Begins or extends the session of a broker that sent a heartbeat, and notes its metadata offset. */
  reported(broker: BrokerImage, now: number, metadataOffset: Offset): void {
    Object.assign(this.#at(broker), { contact: now, metadataOffset });
  }

  /** Ends the session of a broker that may stop, so that its next incarnation need not wait for the timeout. */
  ended(broker: BrokerImage): void {
    this.#at(broker).contact = undefined;
  }

  /** Ends the session of a broker whose process is known to have ended: it is fenced at the next tick. */
  lost(broker: BrokerImage): void {
    const session = this.#at(broker);
    if (session.contact !== undefined) session.contact = -Infinity;
  }

  /** Begins a controlled shutdown, which is over once all active brokers have reached `offset`. */
  shuttingDown(broker: BrokerImage, offset: Offset): void {
    const session = this.#at(broker);
    if (session.shutdownOffset < 0) session.shutdownOffset = offset;
  }

  hasValidSession(broker: BrokerImage, now: number): boolean {
    const { contact, hasEnded } = this.#at(broker);
    return contact !== undefined && !hasEnded && now < contact + this.#timeoutMs;
  }

  /** Lowest metadata offset of the active brokers; Infinity if none is active. */
  lowestActiveOffset(image: MetadataImage): Offset {
    let lowest = Infinity;
    for (const broker of image.brokers.values()) {
      const { shutdownOffset, metadataOffset } = this.#at(broker);
      if (broker.fenced || broker.inControlledShutdown || shutdownOffset >= 0) continue;
      lowest = Math.min(lowest, metadataOffset);
    }
    return lowest;
  }

  /** Removes a session that is over, and returns its broker; undefined if there is none. */
  expire(now: number): ExpiredBroker | undefined {
    for (const [brokerId, session] of this.#sessions) {
      const { epoch, contact, isLocal } = session;
      if (contact === undefined || isLocal || now < contact + this.#timeoutMs) continue;
      session.contact = undefined;
      return { brokerId, epoch };
    }
    return undefined;
  }

  /** Time at which the next session is over; Infinity if there is no session. */
  nextExpiry(): number {
    let next = Infinity;
    for (const { contact, isLocal } of this.#sessions.values()) {
      if (contact !== undefined && !isLocal) next = Math.min(next, contact + this.#timeoutMs);
    }
    return next;
  }

  /** Follows the image from `changes.base` to `image`. */
  replayed({ base, changedBrokers }: MetadataChanges, image: MetadataImage): void {
    const { offset } = image.provenance;
    for (const id of changedBrokers) {
      const before = base.brokers.get(id);
      const after = image.brokers.get(id);
      if (after === undefined) this.#sessions.delete(id);
      else if (before?.brokerEpoch !== after.brokerEpoch) this.#begin(after, offset);
      else this.#changed(before, after, offset);
    }
  }

  #changed(before: BrokerImage, after: BrokerImage, offset: Offset): void {
    let session = this.#at(after);
    // A registration brings a list of endpoints; a change of a registration keeps the list.
    if (before.endPoints !== after.endPoints) {
      session = { ...session, registrationOffset: offset };
      this.#sessions.set(after.brokerId, session);
    }
    if (after.fenced) session.shutdownOffset = -1;
    // The decision that begins a controlled shutdown may have become a transaction, whose end is what counts.
    else if (after.inControlledShutdown && !before.inControlledShutdown) session.shutdownOffset = offset;
  }
}
