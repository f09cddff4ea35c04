export { type CleanerOptions, type CleanerReport, type CleanerSettings, LogCleaner } from "./cleaner.ts";
export { LogDirs, type LogDirsOptions } from "./directories.ts";
export { adviceOf, futureName, LogDir, LogDirError, type LogDirOptions, makeLogDir, openLogDir } from "./directory.ts";
export { readWhole, removeIfThere, replaceFile } from "./files.ts";
export { LogMove } from "./log-move.ts";
export { PartitionLog, type PartitionLogOptions } from "./log.ts";
export { type MetaProperties, readMetaProperties, writeMetaProperties } from "./properties.ts";
export type { ReadOptions, ReadResult } from "./reads.ts";
