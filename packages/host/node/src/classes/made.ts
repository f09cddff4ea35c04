import { createRequire } from "node:module";
import { resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";

/** True for a promise, and what is like one. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";

/** Address of a module: a path relative to the working directory, or a package that is installed there. */
function addressOf(module: string): string {
  if (module.startsWith("file:")) return module;
  if (module.startsWith(".") || resolve(module) === module) return pathToFileURL(resolve(module)).href;
  try {
    return pathToFileURL(createRequire(resolve(`.${sep}`)).resolve(module)).href;
  } catch {
    // A package that is installed beside this program, or has no form for `require`.
    return module;
  }
}

/**
 * Makes an object of a class that an operator has named: the module, and after a `#` the class if it is not the default
 * export. Rejects with a sentence if there is no such class, or if it lacks one of the methods.
 */
export async function made<T extends object>(name: string, methods: readonly (keyof T & string)[]): Promise<T> {
  const [module = "", chosen] = name.split("#");
  const found = (await import(addressOf(module))) as Readonly<Record<string, unknown>>;
  const classes = Object.entries(found).filter(([, value]) => typeof value === "function");
  const [only] = classes;
  const Found =
    chosen === undefined ? (found.default ?? (classes.length === 1 ? only?.[1] : undefined)) : found[chosen];
  if (typeof Found !== "function") {
    throw new Error(
      chosen === undefined ? "it has no class as its default export" : `it does not export a class ${chosen}`,
    );
  }
  const object = new (Found as new () => T)();
  const missing = methods.find(method => typeof object[method] !== "function");
  if (missing !== undefined) throw new Error(`its class has no method ${missing}`);
  return object;
}
