import { ConfigError, configSpecs, type ConfigSpecs, parseConfigValue, specOf } from "@samsa/base";
import type { ConfigFault } from "@samsa/controller";

/** Settings of a subscription to metrics of clients (`ClientMetricsConfigs`, KIP-714). */
export const clientMetricsConfigs = configSpecs({
  "interval.ms": { type: "int", default: "300000", doc: "Interval at which clients push, in ms." },
  match: {
    type: "list",
    default: "",
    doc: "Clients that the subscription applies to: a list of parameter=pattern, all of which must match.",
  },
  metrics: { type: "list", default: "", doc: "Prefixes of the requested metrics; * for all." },
});

const SHORTEST_MS = 100;
const LONGEST_MS = 3_600_000;
const MATCH_PARAMETERS: readonly string[] = [
  "client_instance_id",
  "client_id",
  "client_software_name",
  "client_software_version",
  "client_source_address",
  "client_source_port",
];

/**
 * Parses `parameter=pattern`; undefined if invalid. A pattern must match in full. Patterns are JavaScript's, which
 * agree with Java's on everything that names and addresses need.
 */
export function parseMatch(text: string): readonly [parameter: string, pattern: RegExp] | undefined {
  const parts = text.split("=");
  // Drop empty parts at the end, as Java's `split` does.
  while (parts.at(-1) === "") parts.pop();
  const [parameter, pattern, ...others] = parts.map(part => part.trim());
  if (parameter === undefined || pattern === undefined || others.length > 0) return undefined;
  if (!MATCH_PARAMETERS.includes(parameter)) return undefined;
  try {
    // Compile the pattern alone first: within brackets an invalid pattern could become valid.
    new RegExp(pattern);
    return [parameter, new RegExp(`^(?:${pattern})$`, "s")];
  } catch {
    return undefined;
  }
}

/** Validates the settings of a subscription (`ClientMetricsConfigs.validate`); undefined if they are valid. */
export function clientMetricsConfigsFault(values: ReadonlyMap<string, string>): ConfigFault | undefined {
  const specs: ConfigSpecs = clientMetricsConfigs;
  const unknown = [...values.keys()].find(name => !Object.hasOwn(specs, name));
  if (unknown !== undefined) {
    return { error: "INVALID_REQUEST", message: `Unknown client metrics configuration: ${unknown}` };
  }
  for (const [name, text] of values) {
    try {
      const value = parseConfigValue(name, specOf(specs, name), text);
      if (name === "interval.ms" && (Number(value) < SHORTEST_MS || Number(value) > LONGEST_MS)) {
        const message = `Invalid value ${text} for interval.ms, interval must be between 100 and 3600000 (1 hour)`;
        return { error: "INVALID_REQUEST", message };
      }
      const illegal =
        name === "match" && typeof value === "object" && value.find(pattern => parseMatch(pattern) === undefined);
      if (typeof illegal === "string") {
        return { error: "INVALID_CONFIG", message: `Illegal client matching pattern: ${illegal}` };
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { error: "INVALID_CONFIG", message: error.message };
    }
  }
  return undefined;
}
