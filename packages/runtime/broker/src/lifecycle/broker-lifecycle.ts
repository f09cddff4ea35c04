import {
  type BrokerEpoch,
  type BrokerId,
  checkTransition,
  type Env,
  ignored,
  invariant,
  type Offset,
  type PreviousStates,
  type Timer,
  type Uuid,
} from "@samsa/base";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";
import { Apis, errorOf, Errors } from "@samsa/protocol";
import type { LogDirs } from "@samsa/storage";
import type { BrokerConfig } from "../config/configs.ts";
import type { ControllerChannel } from "../controller/controller-channel.ts";
import { registeredFeatures } from "../metadata/features.ts";
import type { MetadataPublisher } from "../metadata/publisher.ts";
import { type Endpoint, protocolCode } from "../config/listeners.ts";

interface Host {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly clusterId: string;
  readonly incarnationId: Uuid;
  readonly config: BrokerConfig;
  readonly dirs: LogDirs;
  /** Failed directories that the controller may hear of. */
  readonly offlineDirs: () => readonly Uuid[];
  readonly channel: ControllerChannel;
  /** Offset of the last metadata record that this broker has. */
  readonly metadataOffset: () => Offset;
  /** Reason why a replica of the metadata log refuses this node, if there is one: then no controller is found. */
  readonly complaint: () => string | undefined;
  /** Ends this node: it cannot tell the controller what it must know. */
  readonly halt: (why: string) => void;
}

const { code: REQUEST_TIMED_OUT } = Errors.REQUEST_TIMED_OUT;
/** Pause before a registration that was refused is tried again, in ms. */
const REGISTRATION_RETRY_MS = 100;
/** Pause before the first repetition of a request to be unfenced or to stop, in ms. */
const SOON_MS = 50;

/** Time that a stop waits for an answer of the controller: none may be left when a whole cluster stops. */
const SILENCE_MS = 5000;

type State = "STARTING" | "RECOVERY" | "RUNNING" | "STOPPING" | "STOPPED";

/** Valid previous states (`BrokerState`). RECOVERY: the metadata include the registration, and logs are opened. */
const PREVIOUS_STATES: PreviousStates<State> = {
  STARTING: [],
  RECOVERY: ["STARTING"],
  RUNNING: ["RECOVERY"],
  STOPPING: ["RUNNING"],
  STOPPED: ["STARTING", "RECOVERY", "RUNNING", "STOPPING"],
};

/** Numbers of the states in metrics. */
const STATE_NUMBERS: Readonly<Record<State, number>> = {
  STARTING: 1,
  RECOVERY: 2,
  RUNNING: 3,
  STOPPING: 6,
  STOPPED: 7,
};

interface Milestone {
  readonly reached: Promise<void>;
  reach(): void;
  fail(error: Error): void;
}

function milestone(): Milestone {
  let ends: Omit<Milestone, "reached"> | undefined;
  const reached = new Promise<void>((reach, fail) => {
    ends = { reach, fail };
  });
  invariant(ends !== undefined, "a promise calls its executor at once");
  reached.catch(ignored("a start that waits for it reports the failure, and there may be none"));
  return { reached, ...ends };
}

/**
 * Registers this broker with the controller, sends heartbeats, and has the leaders moved to other brokers before a stop
 * (`BrokerLifecycleManager`). One request is sent at a time.
 */
export class BrokerLifecycle implements MetadataPublisher {
  readonly name = "broker lifecycle";
  readonly #host: Host;
  #endpoints: readonly Endpoint[] = [];
  #state: State = "STARTING";
  #brokerEpoch: BrokerEpoch = -1;
  #isRegistered = false;
  /** True once this broker is ready to lead partitions. */
  #isReady = false;
  /** True if the metadata here say that this broker may lead partitions. */
  #mayLead = false;
  #deadline = Infinity;
  readonly #caughtUp = milestone();
  readonly #unfenced = milestone();
  readonly #stopped = milestone();
  #timer: Timer | undefined;
  #silence: Timer | undefined;
  /** Failed directories, with the time limit of those that the controller has not heard of. */
  readonly #failed = new Map<Uuid, Timer | undefined>();
  #isWaiting = false;
  /** True if something has changed since the request that waits for its reply. */
  #isNews = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** State as a number (`BrokerState`). */
  get stateNumber(): number {
    return STATE_NUMBERS[this.#state];
  }

  /** Epoch of the registration; −1 before it. */
  get brokerEpoch(): BrokerEpoch {
    return this.#brokerEpoch;
  }

  /**
   * Registers this broker with its endpoints; resolves once the metadata here include the registration. Rejects if that
   * takes longer than `initial.broker.registration.timeout.ms`.
   */
  start(endpoints: readonly Endpoint[]): Promise<void> {
    const { env, config } = this.#host;
    this.#endpoints = endpoints;
    this.#deadline = env.clock.monotonic() + config["initial.broker.registration.timeout.ms"];
    this.#communicate();
    return this.#caughtUp.reached;
  }

  /** Asks the controller to let this broker lead partitions; resolves once it does, and the metadata here say so. */
  unfence(): Promise<void> {
    this.#isReady = true;
    this.#communicate();
    return this.#unfenced.reached;
  }

  /** Sends a heartbeat with the failed and the cordoned directories. */
  heartbeat(): void {
    if (this.#isReady) this.#communicate();
  }

  /**
   * Tells the controller of directories that have failed. It would go on to have them led here, so that this node ends if
   * the controller does not hear of one within `log.dir.failure.timeout.ms`.
   */
  directoriesFailed(): void {
    const { env, dirs, config, halt } = this.#host;
    for (const id of dirs.offlineIds) {
      if (this.#failed.has(id)) continue;
      const limitMs = config["log.dir.failure.timeout.ms"];
      const late = (): void =>
        halt(`no controller has heard within ${limitMs} ms that the log directory ${id} has failed`);
      this.#failed.set(id, env.timers.after(limitMs, late));
    }
    this.heartbeat();
  }

  #told(ids: readonly Uuid[]): void {
    for (const id of ids) {
      this.#failed.get(id)?.cancel();
      this.#failed.set(id, undefined);
    }
  }

  /** Has the controller move leaders away; resolves once it has, or if it does not answer for `SILENCE_MS`. */
  async stop(): Promise<void> {
    if (this.#state !== "RUNNING") return this.close();
    this.#enter("STOPPING");
    this.#expectAnswer();
    this.#communicate();
    await this.#stopped.reached;
    this.#silence?.cancel();
    this.close();
  }

  #expectAnswer(): void {
    this.#silence?.cancel();
    this.#silence = this.#host.env.timers.after(SILENCE_MS, () => {
      this.#host.env.logger.warn("no controller lets this broker stop, which stops without");
      this.#stopped.reach();
    });
  }

  /** Sends no more requests. */
  close(): void {
    this.#timer?.cancel();
    for (const timer of this.#failed.values()) timer?.cancel();
    if (this.#state !== "STOPPED") this.#enter("STOPPED");
    this.#stopped.reach();
    const error = new Error("this broker stops");
    this.#caughtUp.fail(error);
    this.#unfenced.fail(error);
  }

  #enter(state: State): void {
    checkTransition(PREVIOUS_STATES, this.#state, state);
    this.#state = state;
  }

  /** Sends a request now, or once the last one has its reply. */
  #communicate(): void {
    this.#timer?.cancel();
    if (this.#state === "STOPPED") return;
    this.#isNews = this.#isWaiting;
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    (this.#isRegistered ? this.#beat() : this.#register())
      .catch((error: unknown): number => {
        this.#host.env.logger.error("a request of this broker to the controller failed", { error });
        return this.#host.config["broker.heartbeat.interval.ms"];
      })
      .then(delayMs => {
        this.#isWaiting = false;
        if (this.#isNews) this.#communicate();
        else this.#communicateAfter(delayMs);
      }, ignored("failures were handled above"));
  }

  #communicateAfter(ms: number): void {
    if (this.#state === "STOPPED") return;
    this.#timer = this.#host.env.timers.after(ms, () => this.#communicate());
  }

  /** Returns the time until the next request, in ms. */
  async #register(): Promise<number> {
    const { env, nodeId, clusterId, incarnationId, config, dirs, channel } = this.#host;
    const request = Apis.BrokerRegistration.request.defaults({
      brokerId: nodeId,
      clusterId,
      incarnationId,
      listeners: this.#endpoints.map(({ name, host, port }) => ({
        ...{ name, host, port },
        securityProtocol: protocolCode(this.#host.config, name),
      })),
      features: registeredFeatures(),
      rack: config["broker.rack"] ?? null,
      logDirs: dirs.live.map(({ directoryId }) => directoryId).sort(),
      previousBrokerEpoch: dirs.previousBrokerEpoch,
    });
    const { errorCode, brokerEpoch } = await channel.call("BrokerRegistration", request);
    if (errorCode !== 0) {
      const { name, message } = errorOf(errorCode);
      if (this.#state === "STARTING" && env.clock.monotonic() >= this.#deadline) {
        const complaint = errorCode === REQUEST_TIMED_OUT ? this.#host.complaint() : undefined;
        const why = complaint ?? `${name} (${message})`;
        this.#caughtUp.fail(new Error(`the controller refuses to register this broker: ${why}`));
      }
      env.logger.info("the controller refuses to register this broker, which tries again", { error: name });
      return REGISTRATION_RETRY_MS;
    }
    this.#isRegistered = true;
    this.#brokerEpoch = brokerEpoch;
    this.#follow();
    return this.#isReady ? 0 : config["broker.heartbeat.interval.ms"];
  }

  /** Returns the time until the next request, in ms. */
  async #beat(): Promise<number> {
    const { env, nodeId, dirs, offlineDirs, channel, config, metadataOffset } = this.#host;
    const request = Apis.BrokerHeartbeat.request.defaults({
      brokerId: nodeId,
      brokerEpoch: this.#brokerEpoch,
      currentMetadataOffset: metadataOffset(),
      wantFence: !this.#isReady,
      wantShutDown: this.#state === "STOPPING",
      offlineLogDirs: offlineDirs(),
      cordonedLogDirs: this.#isReady ? dirs.cordonedIds : null,
    });
    const { errorCode, isFenced, shouldShutDown } = await channel.call("BrokerHeartbeat", request);
    if (errorCode === 0) this.#told(request.offlineLogDirs);
    if (errorCode !== 0) env.logger.warn("the controller refuses a heartbeat", { error: errorOf(errorCode).name });
    else if (this.#state === "STOPPING" && shouldShutDown) this.#stopped.reach();
    else if (this.#state === "STOPPING") {
      this.#expectAnswer();
      return SOON_MS;
    } else if (this.#isReady && this.#state === "RECOVERY") {
      if (isFenced) return SOON_MS;
      this.#enter("RUNNING");
      this.#serve();
    }
    return config["broker.heartbeat.interval.ms"];
  }

  /** Takes note of the metadata here: they may include the registration. */
  #follow(): void {
    if (this.#state !== "STARTING" || !this.#isRegistered) return;
    if (this.#host.metadataOffset() < this.#brokerEpoch) return;
    this.#enter("RECOVERY");
    this.#caughtUp.reach();
  }

  /** Ends the start once the leaders here are those that the controller elected as it let this broker lead. */
  #serve(): void {
    if (this.#state === "RUNNING" && this.#mayLead) this.#unfenced.reach();
  }

  /** Registers again if the broker was unregistered while it runs. */
  publish({ changedBrokers }: MetadataChanges, { brokers }: MetadataImage): void {
    const { nodeId, env } = this.#host;
    this.#follow();
    this.#mayLead = brokers.get(nodeId)?.fenced === false;
    this.#serve();
    if (!changedBrokers.has(nodeId) || brokers.has(nodeId) || !this.#isRegistered) return;
    env.logger.warn("this broker was unregistered, and registers again");
    this.#isRegistered = false;
    this.#communicate();
  }
}
