import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

declare const SAMSA_VENDORED: boolean | undefined;
/** True in a bundle that brings the modules of `requiredModule` along, as files of `vendored` beside it. */
const isVendored = typeof SAMSA_VENDORED !== "undefined" && SAMSA_VENDORED;

/** Loads a native module; undefined if it is not installed or not available for this platform. */
export function optionalModule<T>(name: string): T | undefined {
  try {
    return require(name) as T;
  } catch {
    return undefined;
  }
}

/** Loads a module when it is needed. */
export function requiredModule<T>(name: string): T {
  return require(isVendored && !name.startsWith("node:") ? `./vendored/${name}.cjs` : name) as T;
}

/** Calls `make` on first use and keeps its result. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
