import { type BrokerId, type Env, ExponentialBackoff, ignored, type Timer, type Uuid } from "@samsa/base";
import { METADATA_VERSION, type MetadataChanges, type MetadataImage, metadataVersionOf } from "@samsa/metadata";
import { Apis, errorOf } from "@samsa/protocol";
import type { BrokerConfig } from "../config/configs.ts";
import { type Endpoint, protocolCode } from "../config/listeners.ts";
import type { ControllerChannel } from "../controller/controller-channel.ts";
import { registeredFeatures } from "../metadata/features.ts";
import type { MetadataPublisher } from "../metadata/publisher.ts";

interface Host {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly incarnationId: Uuid;
  readonly config: Pick<BrokerConfig, "listener.security.protocol.map">;
  /** Advertised endpoints of this node's controller listeners. */
  readonly endpoints: readonly Endpoint[];
  readonly channel: ControllerChannel;
}

/** Kafka's pauses before a registration that failed is sent again. */
const BACKOFF = new ExponentialBackoff({ initialMs: 100, maxMs: 120_000, jitter: 0.02 });

/**
 * Registers this controller with the active one as soon as `metadata.version` allows, and again if another process took
 * the registration or somebody removed it (KIP-919, `ControllerRegistrationManager`). Tools that talk to controllers
 * find all of them by these registrations. One request is sent at a time.
 */
export class ControllerRegistration implements MetadataPublisher {
  readonly name = "controller registration";
  readonly #host: Host;
  #isDue = false;
  #isWaiting = false;
  #isClosed = false;
  #failures = 0;
  #timer: Timer | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  publish({ base }: MetadataChanges, image: MetadataImage): void {
    const { nodeId, incarnationId } = this.#host;
    const own = image.controllers.get(nodeId);
    if (image.features === base.features && own === base.controllers.get(nodeId)) return;
    const isAllowed = image.features.size > 0 && metadataVersionOf(image) >= METADATA_VERSION.controllersRegister;
    this.#isDue = isAllowed && own?.incarnationId !== incarnationId;
    this.#send();
  }

  #send(): void {
    this.#timer?.cancel();
    if (!this.#isDue || this.#isWaiting || this.#isClosed) return;
    this.#isWaiting = true;
    this.#register()
      .catch((error: unknown) => {
        this.#host.env.logger.error("this controller could not register", { error });
        return false;
      })
      .then(hasSucceeded => this.#answered(hasSucceeded), ignored("failures were handled above"));
  }

  #answered(hasSucceeded: boolean): void {
    this.#isWaiting = false;
    if (hasSucceeded) this.#failures = 0;
    // After a success the metadata tell when the registration is there, or is lost again.
    if (hasSucceeded || this.#isClosed) return;
    const { env } = this.#host;
    const delayMs = BACKOFF.delayMs(this.#failures++, env.random.next());
    this.#timer = env.timers.after(delayMs, () => this.#send());
  }

  async #register(): Promise<boolean> {
    const { nodeId, incarnationId, config, endpoints, channel, env } = this.#host;
    const request = Apis.ControllerRegistration.request.defaults({
      controllerId: nodeId,
      incarnationId,
      listeners: endpoints.map(({ name, host, port }) => ({
        ...{ name, host, port },
        securityProtocol: protocolCode(config, name),
      })),
      features: registeredFeatures(),
    });
    const { errorCode, errorMessage } = await channel.call("ControllerRegistration", request);
    if (errorCode === 0) return true;
    const { name } = errorOf(errorCode);
    env.logger.info("this controller is not registered, and tries again", { error: name, why: errorMessage });
    return false;
  }

  /** Sends no more requests. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}
