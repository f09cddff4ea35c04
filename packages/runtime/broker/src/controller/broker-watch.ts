import { type BrokerEpoch, type BrokerId, type ConnectionHandler, type Env, ignored, NetworkError } from "@samsa/base";
import type { MetadataImage } from "@samsa/metadata";
import type { Peer } from "../request/request-context.ts";

/** Broker in one life of its process. */
export interface BrokerLife {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: BrokerEpoch;
}

interface Host {
  readonly env: Env;
  /** Committed metadata. */
  readonly image: () => MetadataImage;
  /** Called with a broker whose process does not run. */
  readonly gone: (broker: BrokerLife) => void;
}

/** Times after an event at which a broker is looked for, in ms: a process may end its sockets one by one. */
const PROBES_MS = [20, 500];
/** Longest wait for a connection, in ms. */
const PROBE_LIMIT_MS = 1000;
const IGNORED = ignored("a connection that only shows that somebody listens has no other use");
const DEAF: ConnectionHandler = { onData: IGNORED, onDrain: IGNORED, onClose: IGNORED };

/**
 * Notices brokers whose processes have ended, before their sessions are over: the connection of the heartbeats ends, and
 * all registered endpoints of the broker refuse connections. Everything else, such as a network that is cut, is left to the
 * session. A mistake is harmless: a broker that is fenced in error is unfenced by its next heartbeat.
 */
export class BrokerWatch {
  readonly #host: Host;
  readonly #brokers = new WeakMap<Peer, BrokerLife>();
  #isClosed = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Takes note of the connection of a broker's heartbeats. */
  heard(peer: Peer, broker: BrokerLife): void {
    const { brokerId, brokerEpoch } = broker;
    this.#brokers.set(peer, { brokerId, brokerEpoch });
  }

  /** Takes note of the end of a connection. */
  disconnected(peer: Peer): void {
    const broker = this.#brokers.get(peer);
    if (broker !== undefined && !this.#isClosed) this.#lookFor(broker);
  }

  /** Looks for all brokers, because this controller has just become active: it has no heartbeats of theirs. */
  lookForAll(): void {
    for (const broker of this.#host.image().brokers.values()) if (!broker.fenced) this.#lookFor(broker);
  }

  #lookFor({ brokerId, brokerEpoch }: BrokerLife): void {
    for (const ms of PROBES_MS) this.#host.env.timers.after(ms, () => this.#probe({ brokerId, brokerEpoch }));
  }

  #probe(broker: BrokerLife): void {
    const { env, image, gone } = this.#host;
    const known = image().brokers.get(broker.brokerId);
    if (this.#isClosed || known?.brokerEpoch !== broker.brokerEpoch || known.fenced) return;
    const { endPoints } = known;
    // A listener can be closed at run time: only a process without any has ended.
    let open = endPoints.length;
    for (const { host, port } of endPoints) {
      env.network
        .connect(host, port, { timeoutMs: PROBE_LIMIT_MS }, () => DEAF)
        .then(
          connection => connection.destroy(),
          (error: unknown) => {
            const isRefused = error instanceof NetworkError && error.code === "ECONNREFUSED";
            if (isRefused && --open === 0 && !this.#isClosed) gone(broker);
          },
        );
    }
  }

  close(): void {
    this.#isClosed = true;
  }
}
