import { nodeEnv } from "@samsa/node";
import { parseEndpoints, RawConnection } from "@samsa/wire";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Connects to `server`, given as `host:port`. */
export function connect(server: string): Promise<RawConnection> {
  const [endpoint] = parseEndpoints(server) ?? [];
  return RawConnection.open(nodeEnv({ logger: silent }), endpoint);
}
