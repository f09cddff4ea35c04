import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { nearest, parseProperties } from "@samsa/base";
import { brokerConfigs, isListenerSetting, unavailableBrokerConfigs, whyUnavailable } from "@samsa/broker";
import { isOfProviders, resolveVariables } from "./config-providers.ts";
import { Failure } from "../terminal/failure.ts";

/**
 * Reads `server.properties` (Java's format, ISO-8859-1), applies `key=value` overrides, and resolves variables. Throws
 * `Failure`.
 */
export function readSettings(file: string | undefined, overrides: readonly string[]): Map<string, string> {
  const settings = new Map<string, string>();
  if (file !== undefined) {
    try {
      for (const [key, value] of parseProperties(readFileSync(file, "latin1"))) settings.set(key, value);
    } catch (error) {
      throw new Failure(`cannot read ${file}: ${(error as Error).message}`);
    }
  }
  for (const override of overrides) {
    const at = override.indexOf("=");
    if (at <= 0) throw new Failure(`--override wants key=value, not "${override}"`);
    settings.set(override.slice(0, at), override.slice(at + 1));
  }
  return resolveVariables(settings);
}

/** Warnings about settings of the file that have no effect: those of Kafka that are not available here, and unknown ones. */
export function idleSettings(
  settings: ReadonlyMap<string, string>,
): { readonly setting: string; readonly why: string }[] {
  const names = [...settings.keys()].filter(
    name => !Object.hasOwn(brokerConfigs, name) && !isOfProviders(name) && !isListenerSetting(name),
  );
  return names.map(setting => {
    if (Object.hasOwn(unavailableBrokerConfigs, setting)) {
      return { setting, why: `this setting of Kafka has no effect here (${whyUnavailable(setting)})` };
    }
    const known = [...Object.keys(brokerConfigs), ...Object.keys(unavailableBrokerConfigs)];
    const near = nearest(setting, known);
    return {
      setting,
      why: `this setting is unknown and has no effect${near === undefined ? "" : `; did you mean ${near}?`}`,
    };
  });
}

/** Makes the log directories absolute, in place. Without any, the data goes to `./data`. */
export function placed(settings: Map<string, string>): Map<string, string> {
  settings.set("log.dirs", settings.get("log.dirs") ?? settings.get("log.dir") ?? "./data");
  for (const name of ["log.dirs", "metadata.log.dir", "cordoned.log.dirs"]) {
    const dirs = settings.get(name)?.trim() ?? "";
    if (dirs === "" || dirs === "*") continue;
    const parts = dirs.split(",").map(dir => dir.trim());
    // Leave a list with an empty name as it is, so that it is refused: "" must not become the current directory.
    if (!parts.includes("")) settings.set(name, parts.map(dir => resolve(dir)).join(","));
  }
  return settings;
}

/** First log directory of settings that are `placed`. */
export function rootOf(settings: ReadonlyMap<string, string>): string {
  return (settings.get("log.dirs") ?? "").split(",")[0] ?? "";
}
