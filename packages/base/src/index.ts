export * from "./assert.ts";
export * from "./bytes.ts";
export * from "./crc32c.ts";
export * from "./env.ts";
export * from "./murmur2.ts";
export * from "./uuid.ts";
export * from "./config.ts";
export * from "./heap.ts";
