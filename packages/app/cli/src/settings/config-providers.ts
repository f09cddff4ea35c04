import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { parseProperties } from "@samsa/base";
import { Failure } from "../terminal/failure.ts";

/**
 * Config providers (KIP-297): resolve `${provider:path:key}` in values with the providers named in `config.providers`.
 * Apache Kafka's providers are available: environment variables, properties files, and files of a directory.
 */

const PROVIDERS = "config.providers";
const VARIABLE = /\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}/g;

/** Looks up a key; undefined leaves the variable unresolved. */
type Provider = (path: string, key: string) => string | undefined;

const CLASSES: Readonly<Record<string, (parameter: (name: string) => string | undefined) => Provider>> = {
  "org.apache.kafka.common.config.provider.EnvVarConfigProvider": parameter => {
    const allowed = new RegExp(`^(?:${parameter("allowlist.pattern") ?? ".*"})$`, "s");
    return (path, key) => {
      if (path !== "") throw new Failure(`environment variables have no path, but \${…:${path}:${key}} names one`);
      return allowed.test(key) ? process.env[key] : undefined;
    };
  },
  "org.apache.kafka.common.config.provider.FileConfigProvider": parameter => {
    const isAllowed = allowedPaths(parameter("allowed.paths"));
    return (path, key) => (path !== "" && isAllowed(path) ? properties(path).get(key) : undefined);
  },
  "org.apache.kafka.common.config.provider.DirectoryConfigProvider": parameter => {
    const isAllowed = allowedPaths(parameter("allowed.paths"));
    return (path, key) => (path !== "" && isAllowed(path) ? fileIn(path, key) : undefined);
  },
};

function allowedPaths(list: string | undefined): (path: string) => boolean {
  if (list === undefined || list === "") return () => true;
  const roots = list.split(",").map(path => resolve(path));
  return path => roots.some(root => resolve(path) === root || resolve(path).startsWith(`${root}${sep}`));
}

function properties(path: string): ReadonlyMap<string, string> {
  try {
    return parseProperties(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Failure(`Could not read properties from file ${path}: ${(error as Error).message}`);
  }
}

function fileIn(path: string, key: string): string | undefined {
  try {
    const file = join(path, key);
    return readdirSync(path).includes(key) && statSync(file).isFile() ? readFileSync(file, "utf8") : undefined;
  } catch (error) {
    throw new Failure(`Could not list directory ${path}: ${(error as Error).message}`);
  }
}

function providersOf(settings: ReadonlyMap<string, string>): ReadonlyMap<string, Provider> {
  const providers = new Map<string, Provider>();
  for (const name of (settings.get(PROVIDERS) ?? "").split(",")) {
    const setting = `${PROVIDERS}.${name}.class`;
    const wanted = settings.get(setting);
    if (wanted === undefined) continue;
    const make = Object.hasOwn(CLASSES, wanted) ? CLASSES[wanted] : undefined;
    if (make === undefined) {
      const known = Object.keys(CLASSES).join(", ");
      throw new Failure(`${setting}: Could not load config provider class ${wanted}; there are ${known}`);
    }
    providers.set(
      name,
      make(parameter => settings.get(`${PROVIDERS}.${name}.param.${parameter}`)),
    );
  }
  return providers;
}

/** Returns the settings with resolved variables. Throws `Failure`. */
export function resolveVariables(settings: ReadonlyMap<string, string>): Map<string, string> {
  const providers = providersOf(settings);
  const resolved = [...settings].map(([name, value]): [string, string] => [
    name,
    value.replace(VARIABLE, (variable, provider: string, path: string | undefined, key: string) => {
      return providers.get(provider)?.(path ?? "", key) ?? variable;
    }),
  ]);
  return new Map(resolved);
}

/** True for settings of the providers, which apply before a broker starts. */
export function isOfProviders(name: string): boolean {
  return name === PROVIDERS || name.startsWith(`${PROVIDERS}.`);
}
