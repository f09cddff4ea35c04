import { relative } from "node:path";
import type { SourceFile } from "typescript/unstable/ast";
import { API, type APIOptions, type Checker } from "typescript/unstable/sync";

/** Source as the compiler reads it. */
export interface ParsedFile {
  /** Path below the root, with `/`. */
  readonly path: string;
  readonly tree: SourceFile;
  readonly checker: Checker;
}

/** Compiler with open projects. It is a process of its own, which `close` ends. */
export class Program {
  readonly files: readonly ParsedFile[];
  /** Paths of the files that a project with `noUncheckedIndexedAccess` lists; imports alone do not count. */
  readonly indexChecked: ReadonlySet<string>;
  readonly #api: API;

  /** Opens the projects of the configuration files `configs`. A file of several projects is taken from the first. */
  constructor(root: string, configs: readonly string[], options: APIOptions = {}) {
    this.#api = new API({ cwd: root, ...options });
    const snapshot = this.#api.updateSnapshot({ openProjects: configs.map(config => `${root}/${config}`) });
    const pathOf = (name: string): string => relative(root, name).replaceAll("\\", "/");
    const files = new Map<string, ParsedFile>();
    const indexChecked = new Set<string>();
    for (const config of configs) {
      const project = snapshot.getProject(`${root}/${config}`);
      if (project === undefined) throw new Error(`${config} is not a project`);
      if (project.compilerOptions.noUncheckedIndexedAccess === true) {
        for (const name of project.rootFiles) indexChecked.add(pathOf(name));
      }
      for (const name of project.program.getSourceFileNames()) {
        const path = pathOf(name);
        if (!/^(?:packages|scripts)\//.test(path) || files.has(path)) continue;
        const tree = project.program.getSourceFile(name);
        if (tree !== undefined) files.set(path, { path, tree, checker: project.checker });
      }
    }
    this.files = [...files.values()];
    this.indexChecked = indexChecked;
  }

  close(): void {
    this.#api.close();
  }
}

/** Number of the line on which `position` is, from 1. */
export function lineAt(file: ParsedFile, position: number): number {
  return file.tree.text.slice(0, position).split("\n").length;
}
