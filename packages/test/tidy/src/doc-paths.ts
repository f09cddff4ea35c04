import { posix } from "node:path";

/** Paths in a text of the documentation that begin with `packages/`. */
export function packagePaths(text: string): string[] {
  return [...text.matchAll(/\bpackages\/[\w@./-]*[\w/]/g)].map(([path]) => path);
}

/** Path in a cell of the table of classes: a file, or a folder with a slash at its end. */
const PATH = /`([\w./-]+(?:\.ts|\/))`/g;

/**
 * Lists the paths in the tables of `docs/kafka-classes.md` at which `isThere` finds nothing. A path is relative to the
 * folder that the section names, to `packages`, or to a folder in which the row has named something before.
 */
export function missingClassFiles(text: string, isThere: (path: string) => boolean): string[] {
  const missing: string[] = [];
  for (const section of text.split(/^## /m)) {
    const [, folder = "packages/"] = /^Files .*`(packages\/[^`]*)`/m.exec(section) ?? [];
    for (const row of section.split("\n").filter(line => line.startsWith("|"))) {
      const places = [folder, "packages/"];
      for (const [, path = ""] of row.matchAll(PATH)) {
        const place = places.find(each => isThere(posix.join(each, path)));
        if (place === undefined) missing.push(path);
        else places.push(posix.join(place, path.endsWith("/") ? path : posix.dirname(path)));
      }
    }
  }
  return missing;
}
