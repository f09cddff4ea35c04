import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

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
  return require(name) as T;
}

/** Calls `make` on first use and keeps its result. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
