export * from "./cleaner.ts";
export * from "./directories.ts";
export * from "./directory.ts";
export * from "./log-move.ts";
export * from "./log.ts";
export * from "./properties.ts";
export * from "./types.ts";
export { readWhole, removeIfThere, replaceFile } from "./files.ts";
