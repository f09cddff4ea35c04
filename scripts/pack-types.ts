import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Declarations of all packages, as the compiler wrote them. */
export interface Declarations {
  readonly folder: string;
  /** Folders of our packages, by name. */
  readonly folders: ReadonlyMap<string, string>;
}

const SPECIFIER = /(\bfrom |\bimport\()"([^"]+)"/g;
const EXTENSIONS = { esm: { code: ".js", types: ".d.ts" }, cjs: { code: ".cjs", types: ".d.cts" } } as const;

/**
 * Writes the declarations that `entry` reaches into a package of their own: imports of our other packages become relative,
 * with the extensions of the module format. Paths of sources are relative to the declarations' folder.
 */
export function writeDeclarations(
  { folder, folders }: Declarations,
  entry: string,
  { format, target }: { readonly format: "esm" | "cjs"; readonly target: string },
): void {
  const { code, types } = EXTENSIONS[format];
  const waiting = [entry];
  const seen = new Set(waiting);
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    const from = source;
    const text = readFileSync(join(folder, from.replace(/\.ts$/, ".d.ts")), "utf8");
    const rewritten = text.replaceAll(SPECIFIER, (whole, keyword: string, specifier: string) => {
      const home = folders.get(specifier);
      if (home === undefined && !specifier.startsWith(".")) return whole;
      const path =
        home === undefined ? join(dirname(from), specifier.replace(/\.js$/, ".ts")) : join(home, "src/index.ts");
      if (!seen.has(path)) waiting.push(path);
      seen.add(path);
      const near = relative(dirname(from), path).replace(/\.ts$/, code);
      return `${keyword}"${near.startsWith(".") ? near : `./${near}`}"`;
    });
    const file = join(target, from.replace(/\.ts$/, types));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, rewritten);
  }
}
