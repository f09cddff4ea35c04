import { ConfigError, type Env, type Logger, messageOf } from "@samsa/base";
import type { PolicyRequest, PolicyVerdict } from "@samsa/controller";
import { type ErrorName, Errors } from "@samsa/protocol";
import type { BrokerConfig } from "../config/configs.ts";

type PolicyName = PolicyRequest["policy"];

/** Settings of a controller that name the class of a policy. */
const POLICY_SETTINGS = {
  createTopic: "create.topic.policy.class.name",
  alterConfig: "alter.config.policy.class.name",
} as const satisfies Readonly<Record<PolicyName, keyof BrokerConfig>>;

/** Longest time that a request waits for all answers of policies, in ms. */
const JUDGING_MS = 30_000;

/** Policies that the app has loaded. Nothing that they do may block the event loop. */
export interface LoadedPolicies {
  /**
   * Returns the objection of a policy to a request: the name of an error of Kafka, undefined if the policy has failed, and a
   * sentence. Undefined: it has none. Rejects if the policy gives no answer.
   */
  judge(
    policy: string,
    request: object,
  ): Promise<{ readonly code: string | undefined; readonly message: string | null } | undefined>;
  /** Ends the policies; open questions are rejected. */
  close(): Promise<void>;
}

/**
 * Loads policies by the classes that settings name; `configs` are all settings of the node. Rejects with an error whose
 * message says which policy cannot be loaded and why.
 */
export type PolicyLoader = (
  classes: Readonly<Record<string, string>>,
  configs: Readonly<Record<string, string>>,
) => Promise<LoadedPolicies>;

/** Policies that the settings of a node name, with their classes. */
function policyClasses(config: BrokerConfig): ReadonlyMap<PolicyName, string> {
  const classes = new Map<PolicyName, string>();
  for (const policy of ["createTopic", "alterConfig"] as const) {
    const name = config[POLICY_SETTINGS[policy]]?.trim() ?? "";
    if (name !== "") classes.set(policy, name);
  }
  return classes;
}

/** True if a node is a controller whose settings name policies. */
export function hasPolicies(config: BrokerConfig): boolean {
  return config["process.roles"].includes("controller") && policyClasses(config).size > 0;
}

/** Names the settings of policies of a node that is no controller (`KafkaConfig.warnIfConfigDefinedInWrongRole`). */
export function warnOfPolicies(logger: Logger, config: BrokerConfig): void {
  for (const policy of policyClasses(config).keys()) {
    logger.warn("only controllers have policies, so this setting has no effect here", {
      setting: POLICY_SETTINGS[policy],
    });
  }
}

/** Policies of a controller on the creation of topics and the change of settings (KIP-108, KIP-133). */
export class Policies {
  readonly #env: Env;
  readonly #classes: ReadonlyMap<PolicyName, string>;
  readonly #loaded: LoadedPolicies;

  private constructor(env: Env, classes: ReadonlyMap<PolicyName, string>, loaded: LoadedPolicies) {
    this.#env = env;
    this.#classes = classes;
    this.#loaded = loaded;
  }

  /** Loads the policies that settings name. Rejects with `ConfigError`. */
  static async load(
    env: Env,
    config: BrokerConfig,
    given: ReadonlyMap<string, string>,
    loader: PolicyLoader | undefined,
  ): Promise<Policies> {
    const classes = policyClasses(config);
    const settings = [...classes.keys()].map(policy => POLICY_SETTINGS[policy]).join(", ");
    if (loader === undefined) throw ConfigError.worded(settings, `this program cannot load policies (${settings})`);
    try {
      return new Policies(env, classes, await loader(Object.fromEntries(classes), Object.fromEntries(given)));
    } catch (error) {
      const why = messageOf(error);
      throw ConfigError.worded(settings, `${settings}: ${why}`);
    }
  }

  has(policy: PolicyName): boolean {
    return this.#classes.has(policy);
  }

  /** Asks a policy. A policy that fails refuses the request, so that it cannot be evaded. */
  async judge({ policy, request }: PolicyRequest): Promise<PolicyVerdict> {
    const setting = POLICY_SETTINGS[policy];
    const failed = (error: unknown): PolicyVerdict => {
      this.#env.logger.error("a policy has failed, so the request is refused", { setting, error });
      const message = `The policy of ${setting} has failed; the log of the controller says why.`;
      return { error: "UNKNOWN_SERVER_ERROR", message };
    };
    try {
      const objection = await this.#loaded.judge(policy, request);
      if (objection === undefined) return undefined;
      const { code, message } = objection;
      if (code === undefined || code === "NONE" || !Object.hasOwn(Errors, code)) return failed(message);
      return { error: code as ErrorName, message };
    } catch (error) {
      return failed(error);
    }
  }

  /** Ends the policies. Does not reject: a stop goes on without them. */
  close(): Promise<void> {
    return this.#loaded.close().catch((error: unknown) => {
      this.#env.logger.warn("the policies have not closed", { error });
    });
  }
}

/** Answers of policies to the questions of one request. */
export class Hearing {
  readonly #policies: Policies;
  readonly #env: Env;
  readonly #until: number;
  readonly #verdicts = new Map<string, PolicyVerdict>();
  readonly #open = new Map<string, PolicyRequest>();

  constructor(policies: Policies, env: Env) {
    this.#policies = policies;
    this.#env = env;
    this.#until = env.clock.monotonic() + JUDGING_MS;
  }

  /** Returns the known answer; notes the question and has no objection if there is none yet. */
  readonly judge = (question: PolicyRequest): PolicyVerdict => {
    if (!this.#policies.has(question.policy)) return undefined;
    const key = JSON.stringify(question);
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    if (this.#isOver) return { error: "REQUEST_TIMED_OUT", message: `The policies took longer than ${JUDGING_MS} ms.` };
    this.#open.set(key, question);
    return undefined;
  };

  get #isOver(): boolean {
    return this.#env.clock.monotonic() >= this.#until;
  }

  /** True if questions were noted that have no answer. */
  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Asks the noted questions, one after the other. */
  async ask(): Promise<void> {
    const open = [...this.#open];
    this.#open.clear();
    for (const [key, question] of open) {
      if (this.#isOver) return;
      this.#verdicts.set(key, await this.#policies.judge(question));
    }
  }
}
