import { type Crc32c, crc32c } from "@samsa/base";
import { once, optionalModule } from "./modules/optional.ts";

// For shorter inputs the call into native code, with the view it needs, costs more than the tables.
const NATIVE_FROM = 256;

/** The fastest CRC-32C available: native for long inputs, tables for short ones or if there is no native module. */
export function nodeCrc32c(): Crc32c {
  // Load the native module when first needed: it takes megabytes.
  const long = once(() => optionalModule<typeof import("@node-rs/crc32")>("@node-rs/crc32")?.crc32c);
  return (bytes, start, end, seed = 0) => {
    if (end - start < NATIVE_FROM) return crc32c(bytes, start, end, seed);
    const fast = long();
    if (fast === undefined) return crc32c(bytes, start, end, seed);
    return fast(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), seed) >>> 0;
  };
}
