import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import type { Tools } from "../src/index.ts";

export const tools: Tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
