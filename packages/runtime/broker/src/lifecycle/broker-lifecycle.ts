import { type BrokerEpoch, type BrokerId, type Env, type Offset, randomUuid } from "@samsa/base";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";
import { Apis } from "@samsa/protocol";
import type { LogDirs } from "@samsa/storage";
import type { ControllerChannel } from "../controller/controller-channel.ts";
import { TOLERATED } from "../metadata/features.ts";
import type { MetadataPublisher } from "../metadata/publisher.ts";
import type { Endpoint } from "../config/listeners.ts";

interface Host {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly clusterId: string;
  readonly rack: string | null;
  readonly dirs: LogDirs;
  readonly channel: ControllerChannel;
  /** Offset of the last metadata record that this broker has. */
  readonly metadataOffset: () => Offset;
}

/** Registers this broker with the controller, and sends heartbeats (`BrokerLifecycleManager`). */
export class BrokerLifecycle implements MetadataPublisher {
  readonly name = "broker lifecycle";
  readonly #host: Host;
  #endpoints: readonly Endpoint[] = [];
  #brokerEpoch: BrokerEpoch = -1;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Epoch of the registration; −1 before it. */
  get brokerEpoch(): BrokerEpoch {
    return this.#brokerEpoch;
  }

  /** Registers this broker with its endpoints; resolves once the controller lets it lead partitions. */
  async start(endpoints: readonly Endpoint[]): Promise<void> {
    this.#endpoints = endpoints;
    await this.#register();
  }

  async #register(): Promise<void> {
    const { env, nodeId, clusterId, rack, dirs, channel } = this.#host;
    const features = [...TOLERATED].map(([name, { min, max }]) => ({
      name,
      minSupportedVersion: min,
      maxSupportedVersion: max,
    }));
    const request = Apis.BrokerRegistration.request.defaults({
      brokerId: nodeId,
      clusterId,
      incarnationId: randomUuid(length => env.random.bytes(length)),
      listeners: this.#endpoints.map(({ name, host, port }) => ({ name, host, port, securityProtocol: 0 })),
      features,
      rack,
      logDirs: dirs.live.map(({ directoryId }) => directoryId).sort(),
      previousBrokerEpoch: dirs.previousBrokerEpoch,
    });
    const { errorCode, brokerEpoch } = await channel.call("BrokerRegistration", request);
    if (errorCode !== 0) throw new Error(`this broker cannot register: error ${errorCode}`);
    this.#brokerEpoch = brokerEpoch;
    await this.heartbeat();
  }

  /** Sends a heartbeat, with the failed and the cordoned directories. */
  async heartbeat(): Promise<void> {
    const { nodeId, dirs, channel, metadataOffset } = this.#host;
    const request = Apis.BrokerHeartbeat.request.defaults({
      brokerId: nodeId,
      brokerEpoch: this.#brokerEpoch,
      currentMetadataOffset: metadataOffset(),
      offlineLogDirs: dirs.offlineIds,
      cordonedLogDirs: dirs.cordonedIds,
    });
    const { errorCode } = await channel.call("BrokerHeartbeat", request);
    if (errorCode !== 0) throw new Error(`the controller refused a heartbeat with error ${errorCode}`);
  }

  /** Registers again if the broker was unregistered while it runs. */
  publish({ changedBrokers }: MetadataChanges, { brokers }: MetadataImage): void {
    const { nodeId, env } = this.#host;
    if (!changedBrokers.has(nodeId) || brokers.has(nodeId)) return;
    env.logger.warn("this broker was unregistered, and registers again");
    this.#register().catch((error: unknown) => env.logger.error("this broker cannot register again", { error }));
  }
}
