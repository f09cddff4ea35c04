export * from "./cleaner.ts";
export * from "./directories.ts";
export * from "./directory.ts";
export * from "./log-move.ts";
export * from "./log.ts";
export * from "./properties.ts";
export type { ReadOptions, ReadResult } from "./reads.ts";
export { readWhole, removeIfThere, replaceFile } from "./files.ts";
