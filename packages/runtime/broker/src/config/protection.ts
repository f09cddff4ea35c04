import { ConfigError } from "@samsa/base";

/** Settings that restrict clients, each with the value that restricts nothing. */
const PROTECTING: ReadonlyMap<string, string> = new Map([
  ["principal.builder.class", "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"],
]);

/**
 * Refuses security settings that this broker does not support, because ignoring them would leave a cluster open. Throws
 * `ConfigError` before anything is written.
 */
export function checkProtection(settings: ReadonlyMap<string, string>): void {
  for (const [name, harmless] of PROTECTING) {
    const value = settings.get(name)?.trim() ?? "";
    if (value === "" || value === harmless) continue;
    const rule = "Samsa does not have this protection yet and does not start without it; remove the setting to do so";
    throw new ConfigError(name, value, rule);
  }
}
