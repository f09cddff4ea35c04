export type { Serde, SerdeContext } from "./serde/serde.ts";
export { bytes, float64, int32, int64, json, type SchemaResult, type StandardSchema, string } from "./serde/serdes.ts";
