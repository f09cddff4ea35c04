export * from "./batch.ts";
export * from "./builder.ts";
export * from "./compression.ts";
export * from "./control.ts";
export * from "./judge.ts";
export * from "./record.ts";
export * from "./validate.ts";
