import { concat } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { apiOf, requestFrame } from "@samsa/protocol";
import { RawConnection } from "@samsa/wire";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });

/** Encodes a request as a frame with its size prefix. */
export function frame(key: number, version: number, body: object, correlationId = 1): Uint8Array {
  const request = apiOf(key)?.request;
  return request === undefined
    ? new Uint8Array(0)
    : concat(requestFrame({ key, version, correlationId, clientId: "fuzz" }, request, body));
}

/** Connects to the broker. Nothing that the connection sends needs to be right. */
export function connect(port: number): Promise<RawConnection> {
  return RawConnection.open(env, { host: "127.0.0.1", port }, { clientId: "fuzz" });
}
