import { crc32c } from "@samsa/base";
import { nodeCodecs } from "@samsa/node";
import type { Tools } from "@samsa/records";
import { IndexCache, KEEP_ALL, type LogConfig, LogState } from "../src/index.ts";

/** Checksum and codecs of batches. */
export const tools: Tools = { crc32c, codecs: nodeCodecs() };

/** Place of a log whose files are not read. */
export interface LogPlace {
  /** First offset; default: 0. */
  readonly base?: number;
  /** Share of the jitter that each segment draws; default: 0. */
  readonly jitter?: number;
}

/** State of a log without segments, with `KEEP_ALL` but for `config`, whose indexes stay in memory. */
export function openState(config: Partial<LogConfig> = {}, { base = 0, jitter = 0 }: LogPlace = {}): LogState {
  const reader = { measure() {}, attach() {}, txns: () => new Uint8Array(0) };
  const cache = new IndexCache(1 << 24);
  const state = new LogState({ tools, config: { ...KEEP_ALL, ...config }, draw: () => jitter, cache, reader });
  state.startOffset = state.endOffset = state.producers.endOffset = base;
  return state;
}
