import { nodeEnv } from "@samsa/node";
import { parseEndpoints, RawConnection, type RawOptions } from "@samsa/wire";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Connects to `server`, given as `host:port`. */
export async function connect(server: string, options: RawOptions = {}): Promise<RawConnection> {
  const [endpoint] = parseEndpoints(server) ?? [];
  if (endpoint === undefined) throw new Error(`"${server}" is not host:port`);
  return RawConnection.open(nodeEnv({ logger: silent }), endpoint, options);
}
