import { Failure } from "../terminal/failure.ts";
import { LEVEL_NAMES, type LevelName, LOG_FORMATS, type LogFormat } from "../terminal/levels.ts";

/** Variables of the environment, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that begin with KAFKA_ and are no settings, as Kafka's image has them (`KafkaDockerWrapper`). */
const NO_SETTINGS = new Set([
  "KAFKA_VERSION",
  "KAFKA_HEAP_OPTS",
  "KAFKA_LOG4J_OPTS",
  "KAFKA_OPTS",
  "KAFKA_JMX_OPTS",
  "KAFKA_JVM_PERFORMANCE_OPTS",
  "KAFKA_GC_LOG_OPTS",
  "KAFKA_LOG4J_ROOT_LOGLEVEL",
  "KAFKA_LOG4J_LOGGERS",
  "KAFKA_TOOLS_LOG4J_LOGLEVEL",
  "KAFKA_JMX_HOSTNAME",
]);

/** Options of `samsa start` by the variables that give them. */
const OPTIONS = {
  SAMSA_HTTP_PORT: "httpPort",
  SAMSA_HTTP_HOST: "httpHost",
  SAMSA_OTLP_ENDPOINT: "otlpEndpoint",
  SAMSA_OTLP_INTERVAL: "otlpInterval",
} as const;

/** Variables that begin with SAMSA_ and have an effect. */
export const SAMSA_VARIABLES: readonly string[] = [
  ...Object.keys(OPTIONS),
  "SAMSA_LOG_LEVEL",
  "SAMSA_LOG_FORMAT",
  "SAMSA_INSECURE",
];

/** Options of `samsa start` that the environment may give. */
export interface EnvironmentOptions extends Partial<Record<(typeof OPTIONS)[keyof typeof OPTIONS], string>> {
  readonly insecure: boolean;
  readonly logLevel: LevelName;
  readonly logFormat: LogFormat;
}

/** Cluster id of Kafka's image if none is given. */
const CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw";

/** Name of the setting of a variable: _ is a dot, __ an underscore, ___ a dash. Undefined: it is no setting. */
export function settingOf(variable: string): string | undefined {
  if (!variable.startsWith("KAFKA_") || NO_SETTINGS.has(variable)) return undefined;
  const dots = variable.slice("KAFKA_".length).toLowerCase().replaceAll("_", ".");
  return dots.replaceAll("...", "-").replaceAll("..", "_");
}

/** Lines of `server.properties` for the variables that begin with KAFKA_. Values are as Java reads them from such a file. */
export function settingLines(environment: Environment): string[] {
  return Object.entries(environment).flatMap(([variable, value]) => {
    const setting = settingOf(variable);
    return setting === undefined || value === undefined ? [] : [`${setting}=${value}`];
  });
}

/**
 * Text of `server.properties` as Kafka's image makes it (`KafkaDockerWrapper.prepareServerConfigs`): the mounted file with the
 * lines of the environment after it, or these lines, or without any the default file.
 */
export function propertiesOf(environment: Environment, files: { mounted?: string; byDefault: string }): string {
  const lines = settingLines(environment);
  const text = `${files.mounted ?? ""}${lines.length === 0 ? "" : `\n${lines.join("\n")}`}`;
  return text.trim() === "" ? files.byDefault : text;
}

/** Value of a file under `/etc/kafka/secrets`, without the line end. Throws `Failure`. */
type ReadSecret = (name: string) => string;

function needed(environment: Environment, variable: string): string {
  const value = environment[variable] ?? "";
  if (value === "") throw new Failure(`the environment variable ${variable} is not set`);
  return value;
}

function tlsOf(environment: Environment, secrets: string, read: ReadSecret): Record<string, string> {
  const location = (variable: string): string => `${secrets}/${needed(environment, variable)}`;
  const secret = (variable: string): string => read(needed(environment, variable));
  const added: Record<string, string> = {
    KAFKA_SSL_KEYSTORE_LOCATION: location("KAFKA_SSL_KEYSTORE_FILENAME"),
    KAFKA_SSL_KEY_PASSWORD: secret("KAFKA_SSL_KEY_CREDENTIALS"),
    KAFKA_SSL_KEYSTORE_PASSWORD: secret("KAFKA_SSL_KEYSTORE_CREDENTIALS"),
  };
  if (/required|requested/.test(environment.KAFKA_SSL_CLIENT_AUTH ?? "")) {
    added.KAFKA_SSL_TRUSTSTORE_LOCATION = location("KAFKA_SSL_TRUSTSTORE_FILENAME");
    added.KAFKA_SSL_TRUSTSTORE_PASSWORD = secret("KAFKA_SSL_TRUSTSTORE_CREDENTIALS");
  }
  return added;
}

/** Variables that name files of TLS for `tlsOf`; they are no settings of their own. */
const OF_TLS = [
  "KAFKA_SSL_KEYSTORE_FILENAME",
  "KAFKA_SSL_KEY_CREDENTIALS",
  "KAFKA_SSL_KEYSTORE_CREDENTIALS",
  "KAFKA_SSL_TRUSTSTORE_FILENAME",
  "KAFKA_SSL_TRUSTSTORE_CREDENTIALS",
];

/**
 * The environment with what Kafka's image adds to it (its scripts `configureDefaults` and `configure`): a cluster id, listeners
 * where only advertised ones are given, places and passwords of key stores. `secrets` is the folder of the key stores. Throws
 * `Failure` if a variable is missing or does not fit the role.
 */
export function completed(
  given: Environment,
  { secrets, read }: { readonly secrets: string; readonly read: ReadSecret },
): Record<string, string | undefined> {
  const environment: Record<string, string | undefined> = { ...given };
  environment.CLUSTER_ID ||= CLUSTER_ID;
  const isController = environment.KAFKA_PROCESS_ROLES === "controller";
  const advertised = environment.KAFKA_ADVERTISED_LISTENERS ?? "";
  if (isController) {
    if (advertised !== "") throw new Failure("KAFKA_ADVERTISED_LISTENERS is for brokers; a controller must not set it");
    delete environment.KAFKA_ADVERTISED_LISTENERS;
  }
  if ((environment.KAFKA_LISTENERS ?? "") === "" && !isController && advertised !== "") {
    environment.KAFKA_LISTENERS = advertised.replaceAll(/:\/\/[^:]*:/g, "://0.0.0.0:");
  }
  if (advertised.includes("SSL://")) {
    Object.assign(environment, tlsOf(environment, secrets, read));
    for (const variable of OF_TLS) delete environment[variable];
  }
  return environment;
}

/**
 * Options of `samsa start` by the variables SAMSA_*. Listeners are open as those of Kafka's image are, unless SAMSA_INSECURE is
 * false. Throws `Failure` for a variable that is unknown.
 */
export function optionsOf(environment: Environment): EnvironmentOptions {
  for (const variable of Object.keys(environment)) {
    if (variable.startsWith("SAMSA_") && !SAMSA_VARIABLES.includes(variable)) {
      throw new Failure(`${variable} is unknown; there are ${SAMSA_VARIABLES.join(", ")}`);
    }
  }
  const among = <T extends string>(variable: string, choices: readonly [T, ...T[]], byDefault: T): T => {
    const value = environment[variable] ?? "";
    const chosen = value === "" ? byDefault : choices.find(choice => choice === value);
    if (chosen === undefined) throw new Failure(`${variable} wants one of ${choices.join(", ")}, not "${value}"`);
    return chosen;
  };
  const options: Partial<Record<(typeof OPTIONS)[keyof typeof OPTIONS], string>> = {};
  for (const [variable, option] of Object.entries(OPTIONS)) {
    const value = environment[variable];
    if (value !== undefined && value !== "") options[option] = value;
  }
  return {
    ...options,
    insecure: among("SAMSA_INSECURE", ["true", "false"], "true") === "true",
    logLevel: among("SAMSA_LOG_LEVEL", LEVEL_NAMES, "info"),
    logFormat: among("SAMSA_LOG_FORMAT", LOG_FORMATS, "auto"),
  };
}
