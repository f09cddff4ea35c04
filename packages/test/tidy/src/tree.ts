import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ROOMS, type Room } from "./layers.ts";

/** Root folder of the repository. */
export const ROOT = join(import.meta.dirname, "../../../..");

/** TypeScript file of a package. */
export interface Source {
  /** Path below the root, with `/`. */
  readonly path: string;
  readonly text: string;
  /** First folder below `packages/`. */
  readonly floor: string;
  readonly room: Room | undefined;
  readonly test: boolean;
}

function walk(directory: string, found: string[]): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".")) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) walk(path, found);
    else found.push(path);
  }
}

/** Lists all files below `folder`, sorted by path; both paths are relative to the root. */
export function files(folder: string): string[] {
  const found: string[] = [];
  walk(join(ROOT, folder), found);
  return found.map(path => relative(ROOT, path).replaceAll("\\", "/")).sort((a, b) => (a < b ? -1 : 1));
}

/** Reads all TypeScript files under `packages/`. */
export function sources(): Source[] {
  return files("packages")
    .filter(path => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .map(path => ({
      path,
      text: readFileSync(join(ROOT, path), "utf8"),
      floor: path.split("/")[1] ?? "",
      room: ROOMS.find(room => path.startsWith(`packages/${room.folder}/`)),
      test: path.includes("/test/") && !/^packages\/test\/[^/]+\/src\//.test(path),
    }));
}

/** Module specifiers of all imports and re-exports in a source. */
export function importsOf(text: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;"']*?from\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)|(?:^|\n)\s*import\s*["']([^"']+)["']/g;
  return [...text.matchAll(pattern)].map(m => m[1] ?? m[2] ?? m[3] ?? "");
}

/** Folders of all packages. */
export function packageFolders(): string[] {
  return files("packages")
    .filter(path => path.endsWith("/package.json"))
    .map(path => path.slice(0, -"/package.json".length));
}

/** True if a file or folder exists at `path`, relative to the root. */
export function present(path: string): boolean {
  return existsSync(join(ROOT, path));
}

/** Describes the forbidden imports of a source. */
export function importFaults(source: Source): string[] {
  const { room } = source;
  if (room === undefined) return [`${source.path}: its package is not in layers.ts`];
  if (source.test) return [];
  const faults: string[] = [];
  for (const target of importsOf(source.text)) {
    if (target.startsWith(".")) continue;
    const name = target
      .split("/")
      .slice(0, target.startsWith("@") ? 2 : 1)
      .join("/");
    const allowed = target.startsWith("node:")
      ? room.node === true
      : room.imports.includes(name) || (room.libraries ?? []).includes(name) || name === room.name;
    if (!allowed) faults.push(`${source.path}: ${room.name} may not import ${target}`);
  }
  return faults;
}
