import type { Env, Logger } from "@samsa/base";
import { nodeCodecs } from "./codecs.ts";
import { nodeCrc32c } from "./crc32c.ts";
import { nodeDigest, nodeHashes } from "./digest.ts";
import { nodeDisk } from "./disk.ts";
import { nodeHttp } from "./net/http.ts";
import { type NodeNetworkOptions, nodeNetwork } from "./net/network.ts";
import { nodePattern } from "./pattern.ts";
import { nodeTokenKeys } from "./token-keys.ts";
import { nodeSignToken } from "./token-signer.ts";
import { nodeClock, nodeRandom, nodeTimers } from "./time.ts";

/** Environment of this machine. Each call creates a new one; they share nothing but the process. */
export function nodeEnv(options: { logger: Logger; network?: NodeNetworkOptions }): Env {
  const { logger } = options;
  return {
    clock: nodeClock(),
    timers: nodeTimers(error => logger.error("a timer's callback failed", { error })),
    random: nodeRandom(),
    disk: nodeDisk(),
    network: nodeNetwork(logger, options.network),
    http: nodeHttp(),
    crypto: {
      crc32c: nodeCrc32c(),
      digest: nodeDigest(),
      ...nodeHashes,
      tokenKeys: nodeTokenKeys,
      signToken: nodeSignToken,
    },
    codecs: nodeCodecs(),
    pattern: nodePattern,
    logger,
  };
}
