import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** A native module that may not be installed, or not exist for this platform; undefined then. */
export function optionalModule<T>(name: string): T | undefined {
  try {
    return require(name) as T;
  } catch {
    return undefined;
  }
}

/** Makes something when it is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
