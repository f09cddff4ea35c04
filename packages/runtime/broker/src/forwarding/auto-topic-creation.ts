import type { Logger } from "@samsa/base";
import { topicNameFault } from "@samsa/controller";
import { Apis, Errors } from "@samsa/protocol";
import type { BrokerConfig } from "../config/configs.ts";
import { type ControllerChannel, controllerClient } from "../controller/controller-channel.ts";
import { INTERNAL_TOPICS, topicPlan } from "../config/internal-topics.ts";
import type { RequestContext } from "../request/request-context.ts";

const TIMEOUT_MS = 30_000;

interface Host {
  readonly logger: Logger;
  readonly config: () => BrokerConfig;
  readonly channel: ControllerChannel;
}

/**
 * Error of a topic that does not exist: INVALID_TOPIC_EXCEPTION if its name is illegal, else
 * UNKNOWN_TOPIC_OR_PARTITION.
 */
export function absentTopicError(name: string): number {
  const isIllegal = topicNameFault(name) !== undefined;
  return (isIllegal ? Errors.INVALID_TOPIC_EXCEPTION : Errors.UNKNOWN_TOPIC_OR_PARTITION).code;
}

/** Creates missing topics that clients name (`AutoTopicCreationManager`). */
export class AutoTopicCreation {
  readonly #host: Host;
  readonly #running = new Map<string, Promise<number>>();
  /** Reasons, already logged, for which internal topics could not be created. */
  readonly #refused = new Map<string, string | null>();

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Creates the missing topics, within the quota of the client if one is given; then calls `done` with the errors of
   * those that are still missing.
   */
  ensure(
    names: readonly string[],
    client: RequestContext | undefined,
    done: (errors: ReadonlyMap<string, number>) => void,
  ): void {
    const errors = new Map<string, number>();
    const creations = names.map(async name => {
      const error = await this.#create(name, client);
      if (error !== 0) errors.set(name, error);
    });
    Promise.all(creations).then(
      () => done(errors),
      error => {
        this.#host.logger.error("topics could not be created", { names, error });
        done(new Map(names.map(name => [name, Errors.UNKNOWN_SERVER_ERROR.code])));
      },
    );
  }

  /** Concurrent requests for the same topic create it once. */
  #create(name: string, client: RequestContext | undefined): Promise<number> {
    let creation = this.#running.get(name);
    if (creation === undefined) {
      creation = this.#submit(name, client).finally(() => this.#running.delete(name));
      this.#running.set(name, creation);
    }
    return creation;
  }

  /** Resolves with 0 or the error code. */
  async #submit(name: string, client: RequestContext | undefined): Promise<number> {
    if (topicNameFault(name) !== undefined) return Errors.INVALID_TOPIC_EXCEPTION.code;
    const topic = { name, assignments: [], ...topicPlan(name, this.#host.config()) };
    const request = { topics: [topic], timeoutMs: TIMEOUT_MS, validateOnly: false };
    const { lastStable: version } = Apis.CreateTopics;
    const from = client && controllerClient({ ...client, version });
    const { topics } = await this.#host.channel.call("CreateTopics", request, from);
    const { errorCode: code = 0, errorMessage = null } = topics[0] ?? {};
    // Clients repeat their request, often, and are not told why.
    if (
      code === Errors.INVALID_REPLICATION_FACTOR.code &&
      INTERNAL_TOPICS.has(name) &&
      this.#refused.get(name) !== errorMessage
    ) {
      this.#refused.set(name, errorMessage);
      this.#host.logger.warn("a topic cannot be created yet", { topic: name, reason: errorMessage });
    }
    if (code === 0) this.#refused.delete(name);
    // The client retries and then finds the topic.
    if (code === Errors.THROTTLING_QUOTA_EXCEEDED.code) return Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    return code === Errors.TOPIC_ALREADY_EXISTS.code ? 0 : code;
  }
}
