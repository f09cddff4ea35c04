import type { Endpoint } from "../config/listeners.ts";
import type { ListenerSecurity } from "./listener-security.ts";

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|(?:::|(?:0+:){7}0*)1)$/i;

/** True if a listener lets nobody in without a name. */
function isAuthenticated({ sasl, tls }: ListenerSecurity): boolean {
  return sasl !== undefined || tls?.options.clientAuth === "required";
}

/**
 * Says why a listener must not be opened: other machines reach it, and it lets everyone in. Other names than localhost count
 * as those of other machines. Undefined: it may be opened.
 */
export function strangersFault(endpoint: Endpoint, security: ListenerSecurity): string | undefined {
  const { name, host } = endpoint;
  if (LOOPBACK.test(host) || isAuthenticated(security)) return undefined;
  const where = host === "" ? "all interfaces" : host;
  const how = security.tls === undefined ? security.protocol : "SSL without ssl.client.auth=required";
  return `the listener ${name} (${how}) on ${where} would let everyone in who reaches this machine; the broker was started without --insecure`;
}
