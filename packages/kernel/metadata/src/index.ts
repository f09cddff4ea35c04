export * from "./delta.ts";
export * from "./image.ts";
export * from "./snapshot.ts";
export * from "./versions.ts";
