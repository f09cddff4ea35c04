export { type CleanerOptions, type CleanerReport, type CleanerSettings, LogCleaner } from "./cleaner.ts";
export { LogDirs, type LogDirsOptions } from "./directories.ts";
export { futureName, LogDir, LogDirError, type LogDirOptions, openLogDir } from "./directory.ts";
export { adviceOf, makeLogDir, readWhole, removeIfThere, replaceFile } from "./files.ts";
export { LogMove } from "./log-move.ts";
export { PartitionLog, type PartitionLogOptions } from "./log.ts";
export { type MetaProperties, readMetaProperties, writeMetaProperties } from "./properties.ts";
export type { ReadOptions, ReadResult } from "./reads.ts";
