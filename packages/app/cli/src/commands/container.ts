import { readFileSync, writeFileSync } from "node:fs";
import { type Logger, parseProperties } from "@samsa/base";
import { type FirstQuorum, formatStorage, storageInfo } from "@samsa/broker";
import { nodeEnv } from "@samsa/node";
import { completed, type Environment, optionsOf, propertiesOf } from "../container/environment.ts";
import { pair } from "../settings/pair.ts";
import { placed } from "../settings/settings-file.ts";
import { Failure } from "../terminal/failure.ts";
import { createLogger } from "../terminal/logger.ts";
import { start } from "./start.ts";

/** Places of an image that is used as Kafka's. */
export interface ContainerOptions {
  /** Folder with the default `server.properties`. */
  readonly defaultConfigs: string;
  /** Folder that users mount, with a `server.properties` or without. */
  readonly mountedConfigs: string;
  /** File that gets the settings, for tools that read it. */
  readonly config: string;
  /** Folder of key stores and their passwords. */
  readonly secrets: string;
  /** Data of a node whose settings name no place. */
  readonly data: string;
}

const PROPERTIES = "server.properties";

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Failure(`cannot read ${path}: ${(error as Error).message}`);
  }
}

/** The environment with the variables of a command line. */
function given(words: readonly string[]): Environment {
  const added = words.map(word => pair(word, "a variable"));
  return { ...process.env, ...Object.fromEntries(added.map(({ name, value }) => [name, value])) };
}

interface Prepared {
  readonly environment: Environment;
  readonly text: string;
}

function prepare(words: readonly string[], options: ContainerOptions): Prepared {
  const { secrets } = options;
  const read = (name: string): string => {
    const text = readIfThere(`${secrets}/${name}`);
    if (text === undefined) throw new Failure(`${secrets}/${name} does not exist`);
    return text.replace(/\n+$/, "");
  };
  const environment = completed(given(words), { secrets, read });
  const mounted = readIfThere(`${options.mountedConfigs}/${PROPERTIES}`);
  const byDefault = readIfThere(`${options.defaultConfigs}/${PROPERTIES}`) ?? "";
  const text = propertiesOf(environment, { byDefault, ...(mounted === undefined ? {} : { mounted }) });
  const settings = parseProperties(text);
  const places = settings.has("log.dirs") || settings.has("log.dir") ? "" : `\nlog.dirs=${options.data}`;
  return { environment, text: `${text}${places}\n` };
}

/** `samsa container configure`. Writes the settings that the environment asks for. */
export function configure(words: readonly string[], options: ContainerOptions): void {
  const { text } = prepare(words, options);
  try {
    writeFileSync(options.config, text, { mode: 0o600 });
  } catch (error) {
    throw new Failure(`cannot write ${options.config}: ${(error as Error).message}`);
  }
}

function formatOnce(settings: ReadonlyMap<string, string>, clusterId: string, logger: Logger): void {
  const names = ["controller.quorum.voters", "controller.quorum.bootstrap.servers"];
  const isAlone =
    (settings.get("process.roles") ?? "").includes("controller") && names.every(name => !settings.get(name));
  const quorum: { quorum?: FirstQuorum } = isAlone ? { quorum: { kind: "standalone" } } : {};
  const format = { clusterId, ignoreFormatted: true, features: [], ...quorum };
  const env = nodeEnv({ logger });
  const own = placed(new Map(settings));
  // Data that a tool has formatted before keep its id, unless the environment asks for another one.
  if ((process.env.CLUSTER_ID ?? "") === "" && storageInfo(env, own).ok) return;
  formatStorage(env, { ...format, settings: own });
}

/** `samsa container start`. Formats the data if they are new, and starts the node that the environment asks for. */
export async function startContainer(words: readonly string[], places: ContainerOptions): Promise<void> {
  const { environment, text } = prepare(words, places);
  const { httpHost = "127.0.0.1", otlpInterval = "60", ...options } = optionsOf(environment);
  const settings = parseProperties(text);
  const logger = createLogger(options.logLevel, options.logFormat);
  try {
    writeFileSync(places.config, text, { mode: 0o600 });
  } catch (error) {
    // Only tools read the file; a container whose file system is read-only has none.
    logger.debug("the settings are not written", { error: error as Error });
  }
  formatOnce(settings, environment.CLUSTER_ID ?? "", logger);
  const override = [...settings].map(([name, value]) => `${name}=${value}`);
  await start(undefined, { ...options, override, httpHost, otlpInterval });
  // Programs that start containers wait for one of these lines of Kafka's log.
  console.log("Transitioning from RECOVERY to RUNNING\nKafka Server started");
}
