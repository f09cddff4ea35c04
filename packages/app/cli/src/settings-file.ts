import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { brokerConfigs } from "@samsa/broker";
import { getProperties } from "properties-file";
import { Failure } from "./failure.ts";

/** Settings of `server.properties` (Java's format) with `key=value` overrides on top. Throws `Failure`. */
export function readSettings(file: string | undefined, overrides: readonly string[]): Map<string, string> {
  const settings = new Map<string, string>();
  if (file !== undefined) {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      throw new Failure(`cannot read ${file}: ${(error as Error).message}`);
    }
    for (const [key, value] of Object.entries(getProperties(text))) settings.set(key, value);
  }
  for (const override of overrides) {
    const at = override.indexOf("=");
    if (at <= 0) throw new Failure(`--override wants key=value, not "${override}"`);
    settings.set(override.slice(0, at), override.slice(at + 1));
  }
  return settings;
}

/** Names that mean nothing here: Kafka's settings that are not available, and typing mistakes. */
export function unknownSettings(settings: ReadonlyMap<string, string>): string[] {
  return [...settings.keys()].filter(name => !Object.hasOwn(brokerConfigs, name));
}

/** Relative directories are told and stored as where they really are. */
export function placed(settings: Map<string, string>): Map<string, string> {
  settings.set("log.dirs", settings.get("log.dirs") ?? settings.get("log.dir") ?? "./data");
  for (const name of ["log.dirs", "metadata.log.dir", "cordoned.log.dirs"]) {
    const dirs = settings.get(name)?.trim() ?? "";
    if (dirs === "" || dirs === "*") continue;
    const absolute = dirs.split(",").map(dir => resolve(dir.trim()));
    settings.set(name, absolute.join(","));
  }
  return settings;
}
