import { type Env, type Logger, named } from "@samsa/base";
import type { BrokerConfig } from "../config/configs.ts";
import type { Endpoint } from "@samsa/wire";

/** Logs the start or the stop of a node, with its duration. */
export class LifeLog {
  readonly #clock: Env["clock"];
  readonly #logger: Logger;
  readonly #began: number;

  constructor({ clock, logger }: Pick<Env, "clock" | "logger">) {
    this.#clock = clock;
    this.#logger = named(logger, "kafka.server");
    this.#began = clock.monotonic();
  }

  get #ms(): number {
    return Math.round(this.#clock.monotonic() - this.#began);
  }

  starts(config: BrokerConfig): void {
    this.#logger.info("starts", { nodeId: config["node.id"], roles: config["process.roles"].join(",") });
  }

  serves({ clusterId, advertised }: { clusterId: string; advertised: ReadonlyMap<string, Endpoint> }): void {
    const listeners = [...advertised].map(([name, { host, port }]) => `${name}://${host}:${port}`);
    this.#logger.info("serves", { clusterId, listeners: listeners.join(","), ms: this.#ms });
  }

  stops(): void {
    this.#logger.info("stops");
  }

  hasStopped(): void {
    this.#logger.info("has stopped", { ms: this.#ms });
  }
}
