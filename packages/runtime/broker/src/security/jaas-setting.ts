import { ConfigError, MalformedError } from "@samsa/base";
import { LOGIN_MODULES, parseJaas } from "@samsa/sasl";

/** Mechanism that this node has, as a server and towards other nodes. */
export type Mechanism = Exclude<keyof typeof LOGIN_MODULES, "OAUTHBEARER">;

/** Mechanisms that there are. */
export const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const satisfies readonly Mechanism[];

/** True for the name of a mechanism that there is. */
export function isMechanism(name: string): name is Mechanism {
  return MECHANISMS.some(known => known === name);
}

/** `sasl.jaas.config` of a mechanism of a listener. */
interface JaasSetting {
  readonly given: ReadonlyMap<string, string>;
  readonly listener: string;
  readonly mechanism: Mechanism;
  /** Sentence that says what the setting is for. */
  readonly need: string;
  /** Options, for an example. */
  readonly example: string;
}

/** Reads the options of a line of JAAS as `use` has them. Throws `ConfigError`, also for a `MalformedError` of `use`. */
export function jaasSetting<T>(setting: JaasSetting, use: (options: ReadonlyMap<string, string>) => T): T {
  const { given, listener, mechanism, need, example } = setting;
  const wanted = LOGIN_MODULES[mechanism];
  const name = `listener.name.${listener.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`;
  const text = given.get(name);
  if (text === undefined) throw new ConfigError(name, "", `${need}, as in ${wanted} required ${example};`);
  try {
    const { module, options } = parseJaas(text);
    if (module !== wanted) throw new MalformedError(`the login module of ${mechanism} is ${wanted}`);
    return use(options);
  } catch (error) {
    if (error instanceof MalformedError) throw ConfigError.worded(name, error.message);
    throw error;
  }
}
