import { posix } from "node:path";
import { importsOf } from "./tree.ts";

/** File with its path from the root of the repository. */
interface File {
  readonly path: string;
  readonly text: string;
}

/**
 * Finds groups of files that import one another in a circle, imports of types included. Each group is sorted by path.
 * The algorithm is Tarjan's for strongly connected components.
 */
export function importCycles(files: readonly File[]): string[][] {
  const graph = new Map(
    files.map(({ path, text }) => {
      const relative = importsOf(text).filter(target => target.startsWith("."));
      return [path, relative.map(target => posix.join(posix.dirname(path), target))];
    }),
  );
  const indexes = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (path: string): number => {
    const index = indexes.size;
    let low = index;
    indexes.set(path, index);
    stack.push(path);
    for (const target of graph.get(path) ?? []) {
      if (!graph.has(target)) continue;
      const known = indexes.get(target);
      if (known === undefined) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, known);
    }
    if (low === index) {
      const group = stack.splice(stack.indexOf(path));
      if (group.length > 1) found.push(group.toSorted());
    }
    return low;
  };
  for (const path of graph.keys()) if (!indexes.has(path)) visit(path);
  return found;
}
