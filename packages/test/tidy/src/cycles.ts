import { posix } from "node:path";
import { importsOf } from "./tree.ts";

/** File with its path from the root of the repository. */
interface File {
  readonly path: string;
  readonly text: string;
}

/** Targets by node. Targets that are no nodes are ignored. */
type Graph = ReadonlyMap<string, readonly string[]>;

/** Finds groups of nodes that reach one another (Tarjan's strongly connected components). Each group is sorted. */
function circles(graph: Graph): string[][] {
  const indexes = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): number => {
    const index = indexes.size;
    let low = index;
    indexes.set(node, index);
    stack.push(node);
    for (const target of graph.get(node) ?? []) {
      if (!graph.has(target)) continue;
      const known = indexes.get(target);
      if (known === undefined) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, known);
    }
    if (low === index) {
      const group = stack.splice(stack.indexOf(node));
      if (group.length > 1) found.push(group.toSorted());
    }
    return low;
  };
  for (const node of graph.keys()) if (!indexes.has(node)) visit(node);
  return found;
}

/** Folder of a path below `root`; `.`: the root itself. */
function folderBelow(root: string, path: string): string {
  return posix.relative(root, posix.dirname(path)) || ".";
}

/** Finds the imports from `folders`, lowest first and below `root`, that lead to a later folder or to an unlisted one. */
export function upwardImports(files: readonly File[], root: string, folders: readonly string[]): string[] {
  return files.flatMap(file => {
    const own = folders.indexOf(folderBelow(root, file.path));
    const upward = relativeImports(file).filter(target => {
      const level = folders.indexOf(folderBelow(root, target));
      return level < 0 || level > own;
    });
    return upward.map(target => `${file.path} imports ${target}`);
  });
}

function relativeImports({ path, text }: File): string[] {
  const relative = importsOf(text).filter(target => target.startsWith("."));
  return relative.map(target => posix.join(posix.dirname(path), target));
}

/** Finds groups of files that import one another in a circle, imports of types included. */
export function importCycles(files: readonly File[]): string[][] {
  return circles(new Map(files.map(file => [file.path, relativeImports(file)])));
}

/** Finds groups of folders whose files import one another in a circle, imports of types included. */
export function folderCycles(files: readonly File[]): string[][] {
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const folder = posix.dirname(file.path);
    const targets = relativeImports(file).map(target => posix.dirname(target));
    graph.set(folder, [...(graph.get(folder) ?? []), ...targets]);
  }
  return circles(graph);
}
