export * from "./checkpoint.ts";
export * from "./epoch.ts";
export * from "./metadata-log.ts";
