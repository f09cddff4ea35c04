import { Failure } from "../terminal/failure.ts";
import { toJson } from "../terminal/json.ts";
import { type Directory, isDirectory, type Node } from "./tree.ts";

interface Found {
  /** Names from the root on. */
  readonly path: readonly string[];
  readonly node: Node;
}

const shown = (path: readonly string[]): string => `/${path.join("/")}`;

/** Converts a pattern with `*` and `?` to a regular expression; undefined if it has neither. */
function globOf(text: string): RegExp | undefined {
  if (!/[*?]/.test(text)) return undefined;
  const pattern = text
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${pattern}$`, "s");
}

/** Text of a leaf. */
function leafText(value: unknown): string {
  return typeof value === "object" && value !== null ? toJson(value) : String(value);
}

type Run = (shell: MetadataShell, targets: readonly string[], json: boolean) => Iterable<string>;

interface Command {
  readonly about: string;
  /** Maximum number of targets; undefined for any number. */
  readonly most?: number;
  readonly run: Run;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  ls: { about: "list the nodes at a path", run: (shell, targets, json) => shell.ls(targets, json) },
  cat: { about: "show the value of a node", run: (shell, targets, json) => shell.cat(targets, json) },
  find: { about: "list all paths below a path", run: (shell, targets, json) => shell.find(targets, json) },
  tree: { about: "show all nodes below a path", run: (shell, targets, json) => shell.tree(targets, json) },
  cd: { most: 1, about: "change the current path", run: (shell, targets) => shell.cd(targets) },
  pwd: { most: 0, about: "show the current path", run: shell => shell.pwd() },
  help: { most: 0, about: "list the commands", run: () => helpLines() },
  exit: { most: 0, about: "end the shell", run: shell => shell.leave() },
};

function* helpLines(): Generator<string> {
  for (const [name, { about }] of Object.entries(COMMANDS)) yield `${name.padEnd(5)} ${about}`;
}

/** Shell commands over a tree of metadata, with a current path. Invalid commands throw `Failure`. */
export class MetadataShell {
  readonly #root: Directory;
  #at: readonly string[] = [];
  left = false;

  constructor(root: Directory) {
    this.#root = root;
  }

  /** Runs a command and returns its output lines. */
  run(words: readonly string[], json = false): Iterable<string> {
    const [name = "", ...targets] = words;
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) {
      throw new Failure(`no command "${name}"; there are ${Object.keys(COMMANDS).join(", ")}`);
    }
    const { run, most = Infinity } = command;
    if (targets.length > most) throw new Failure(`${name} takes ${most === 0 ? "nothing" : "one path"}`);
    return run(this, targets, json);
  }

  /** Completions of the last word of a line. */
  complete(line: string): string[] {
    const words = line.split(/\s+/);
    const last = words.at(-1) ?? "";
    if (words.length <= 1) return Object.keys(COMMANDS).filter(name => name.startsWith(last));
    const slash = last.lastIndexOf("/") + 1;
    const [found] = this.#find(last.slice(0, slash) || ".");
    if (found === undefined || !isDirectory(found.node)) return [];
    const { node } = found;
    return node
      .names()
      .filter(name => name.startsWith(last.slice(slash)))
      .map(name => {
        const child = node.child(name);
        return last.slice(0, slash) + name + (child !== undefined && isDirectory(child) ? "/" : "");
      });
  }

  *ls(targets: readonly string[], json: boolean): Generator<string> {
    const found = (targets.length === 0 ? ["."] : targets).flatMap(target => this.#get("ls", target));
    const names = ({ path, node }: Found): string[] => (isDirectory(node) ? node.names() : [path.at(-1) ?? "/"]);
    if (json) return yield toJson(found.flatMap(names));
    let first = true;
    for (const one of found) {
      if (found.length > 1 && isDirectory(one.node)) yield `${first ? "" : "\n"}${shown(one.path)}:`;
      yield* names(one);
      first = false;
    }
  }

  *cat(targets: readonly string[], json: boolean): Generator<string> {
    if (targets.length === 0) throw new Failure("cat: name what to show");
    for (const { path, node } of targets.flatMap(target => this.#get("cat", target))) {
      if (isDirectory(node)) throw new Failure(`cat: ${shown(path)}: is a directory`);
      yield json ? toJson(node.value) : leafText(node.value);
    }
  }

  *find(targets: readonly string[], json: boolean): Generator<string> {
    const found = (targets.length === 0 ? ["."] : targets).flatMap(target => this.#get("find", target));
    if (json) return yield toJson(found.flatMap(one => [...pathsBelow(one)]));
    for (const one of found) yield* pathsBelow(one);
  }

  *tree(targets: readonly string[], json: boolean): Generator<string> {
    for (const { node } of (targets.length === 0 ? ["."] : targets).flatMap(target => this.#get("tree", target))) {
      if (json) yield toJson(valueOf(node));
      else yield* treeLines(node, "");
    }
  }

  cd(targets: readonly string[]): string[] {
    const [target = "/"] = targets;
    const [{ path, node }] = this.#get("cd", target);
    if (!isDirectory(node)) throw new Failure(`cd: ${target}: not a directory`);
    this.#at = path;
    return [];
  }

  pwd(): string[] {
    return [shown(this.#at)];
  }

  leave(): string[] {
    this.left = true;
    return [];
  }

  #get(command: string, target: string): [Found, ...Found[]] {
    const [first, ...rest] = this.#find(target);
    if (first === undefined) throw new Failure(`${command}: ${target}: no such file or directory`);
    return [first, ...rest];
  }

  /** Finds the nodes at a path, which may contain `.`, `..`, `*` and `?`. */
  #find(target: string): Found[] {
    const parts: string[] = target.startsWith("/") ? [] : [...this.#at];
    for (const part of target.split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
    }
    return [...matches({ path: [], node: this.#root }, parts)];
  }
}

/** Yields the nodes below `from` that match `parts`. */
function* matches(from: Found, parts: readonly string[]): Generator<Found> {
  const [first] = parts;
  if (first === undefined) return yield from;
  const { node, path } = from;
  if (!isDirectory(node)) return;
  const glob = globOf(first);
  if (glob !== undefined) {
    for (const name of node.names().filter(known => glob.test(known))) {
      const child = node.child(name);
      if (child !== undefined) yield* matches({ path: [...path, name], node: child }, parts.slice(1));
    }
    return;
  }
  // A name, such as that of a user, may contain slashes: take the shortest existing one.
  for (let count = 1; count <= parts.length; count++) {
    const name = parts.slice(0, count).join("/");
    const child = node.child(name);
    if (child !== undefined) return yield* matches({ path: [...path, name], node: child }, parts.slice(count));
  }
}

function* children(node: Directory): Generator<readonly [string, Node]> {
  for (const name of node.names()) {
    const child = node.child(name);
    if (child !== undefined) yield [name, child];
  }
}

function* pathsBelow({ path, node }: Found): Generator<string> {
  yield shown(path);
  if (!isDirectory(node)) return;
  for (const [name, child] of children(node)) yield* pathsBelow({ path: [...path, name], node: child });
}

function* treeLines(node: Node, indent: string): Generator<string> {
  if (!isDirectory(node)) return yield indent + leafText(node.value);
  for (const [name, child] of children(node)) {
    yield `${indent}${name}:`;
    yield* treeLines(child, `${indent}  `);
  }
}

function valueOf(node: Node): unknown {
  if (!isDirectory(node)) return node.value;
  return Object.fromEntries([...children(node)].map(([name, child]) => [name, valueOf(child)]));
}
