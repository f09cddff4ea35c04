import { ConfigError, MalformedError } from "@samsa/base";
import { LOGIN_MODULES, parseJaas } from "@samsa/sasl";

/** Mechanism that this node has, as a server and towards other nodes. */
export type Mechanism = keyof typeof LOGIN_MODULES;

/** Mechanisms that there are. */
export const MECHANISMS = [
  "PLAIN",
  "SCRAM-SHA-256",
  "SCRAM-SHA-512",
  "OAUTHBEARER",
] as const satisfies readonly Mechanism[];

/** True for the name of a mechanism that there is. */
export function isMechanism(name: string): name is Mechanism {
  return MECHANISMS.some(known => known === name);
}

/** Place of a `sasl.jaas.config`. */
interface JaasPlace {
  readonly given: ReadonlyMap<string, string>;
  readonly listener: string;
  readonly mechanism: Mechanism;
}

/** `sasl.jaas.config` of a mechanism of a listener. */
interface JaasSetting extends JaasPlace {
  /** Sentence that says what the setting is for. */
  readonly need: string;
  /** Options, for an example. */
  readonly example: string;
}

const nameOf = ({ listener, mechanism }: JaasPlace): string =>
  `listener.name.${listener.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`;

/** Options of the login module of a mechanism; undefined without one. Throws `ConfigError`. */
export function jaasOptions(place: JaasPlace): ReadonlyMap<string, string> | undefined {
  const text = place.given.get(nameOf(place));
  return text === undefined ? undefined : within(place, () => optionsOf(place, text));
}

function optionsOf({ mechanism }: JaasPlace, text: string): ReadonlyMap<string, string> {
  const { module, options } = parseJaas(text);
  const wanted = LOGIN_MODULES[mechanism];
  if (module !== wanted) throw new MalformedError(`the login module of ${mechanism} is ${wanted}`);
  return options;
}

function within<T>(place: JaasPlace, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof MalformedError) throw ConfigError.worded(nameOf(place), error.message);
    throw error;
  }
}

/** Reads the options of a line of JAAS as `use` has them. Throws `ConfigError`, also for a `MalformedError` of `use`. */
export function jaasSetting<T>(setting: JaasSetting, use: (options: ReadonlyMap<string, string>) => T): T {
  const { mechanism, need, example } = setting;
  const options = jaasOptions(setting);
  if (options === undefined) {
    throw new ConfigError(nameOf(setting), "", `${need}, as in ${LOGIN_MODULES[mechanism]} required ${example};`);
  }
  return within(setting, () => use(options));
}
