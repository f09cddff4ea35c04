/** Address of a server. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 9092;
const LAST_PORT = 65_535;

/** Text of an endpoint, `host:port`; an IPv6 address in brackets. */
export function endpointText({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Parses `bootstrap.servers`: endpoints `host:port` with commas between them. A host without a port is at port 9092.
 * Undefined if one of them is no endpoint.
 */
export function parseEndpoints(text: string): Endpoint[] | undefined {
  const endpoints: Endpoint[] = [];
  for (const server of text.split(",")) {
    const found = /^(?:\[(?<address>[^\][]+)\]|(?<name>[^:\][]+))(?::(?<port>\d+))?$/.exec(server.trim())?.groups;
    const host = found?.address ?? found?.name;
    const port = found?.port === undefined ? DEFAULT_PORT : Number(found.port);
    if (host === undefined || port < 1 || port > LAST_PORT) return undefined;
    endpoints.push({ host, port });
  }
  return endpoints;
}
