export { fuzz, type FuzzOptions, type FuzzReport } from "./run.ts";
