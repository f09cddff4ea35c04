import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { VERSION } from "@samsa/base";
import { describe, expect, test } from "vitest";
import { forbiddenComments } from "../src/comments.ts";
import { missingClassFiles, packagePaths } from "../src/doc-paths.ts";
import { folderCycles, importCycles, upwardImports } from "../src/cycles.ts";
import { longFunctions } from "../src/functions.ts";
import { BANS, FLOORS, FOLDERS_OF_DECLARATIONS, LIMITS, ROOMS } from "../src/layers.ts";
import { files, importFaults, importsOf, packageFolders, present, ROOT, type Source, sources } from "../src/tree.ts";

const all = sources();

describe("layers", () => {
  test("every import is one that layers.ts allows", () => {
    expect(all.flatMap(importFaults)).toEqual([]);
  });

  test("layers.ts itself only points up the house", () => {
    const floorOf = (name: string) =>
      (FLOORS as readonly string[]).indexOf(ROOMS.find(room => room.name === name)?.folder.split("/")[0] ?? "");
    for (const room of ROOMS)
      for (const used of room.imports) {
        expect(floorOf(used), `${room.name} -> ${used}`).toBeGreaterThanOrEqual(0);
        expect(floorOf(used), `${room.name} -> ${used}`).toBeLessThanOrEqual(floorOf(room.name));
      }
  });

  test("no files import one another in a circle, types included", () => {
    expect(importCycles(all)).toEqual([]);
  });

  test("folders of a package import only those below them", () => {
    const circular = ROOMS.filter(room => folderCycles(all.filter(s => s.room === room && !s.test)).length > 0);
    expect(circular.map(({ folder }) => folder)).toEqual([]);
  });

  test("no folder imports one that layers.ts lists above it", () => {
    for (const room of ROOMS) {
      const root = `packages/${room.folder}/src`;
      const own = all.filter(s => s.room === room && s.path.startsWith(`${root}/`));
      if (room.folders === undefined) continue;
      expect(upwardImports(own, root, room.folders)).toEqual([]);
      const present = new Set(own.map(({ path }) => posix.relative(root, posix.dirname(path)) || "."));
      expect([...present].toSorted()).toEqual(room.folders.toSorted());
    }
  });

  test("ARCHITECTURE.md lists the folders of the broker in this order", () => {
    const [, table = ""] =
      /## Folders of the broker\n[^]*?\n```\n([^`]*)```/.exec(readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8")) ??
      [];
    const listed = table
      .trimEnd()
      .split("\n")
      .flatMap(line => line.split("  ", 1)[0].split(" · "));
    expect(listed).toEqual(ROOMS.find(room => room.folder === "runtime/broker")?.folders);
  });

  test("an import of a later folder is found", () => {
    const files = [
      { path: "a/low/x.ts", text: 'import type { Y } from "../high/y.ts";\nimport { z } from "./z.ts";' },
      { path: "a/high/y.ts", text: 'import { x } from "../low/x.ts";\nimport { v } from "../v.ts";' },
      { path: "a/v.ts", text: 'import { y } from "./high/y.ts";\nimport { u } from "./new/u.ts";' },
    ];
    expect(upwardImports(files, "a", ["low", "high", "."])).toEqual([
      "a/low/x.ts imports a/high/y.ts",
      "a/high/y.ts imports a/v.ts",
      "a/v.ts imports a/new/u.ts",
    ]);
  });

  test("a circle of folders is found", () => {
    const files = [
      { path: "a/x.ts", text: 'import { y } from "./b/y.ts";' },
      { path: "a/b/y.ts", text: 'import type { Z } from "../c/z.ts";' },
      { path: "a/c/z.ts", text: 'import { w } from "../b/w.ts";' },
      { path: "a/b/w.ts", text: "" },
    ];
    expect(folderCycles(files)).toEqual([["a/b", "a/c"]]);
  });

  test("a circle of imports is found", () => {
    const files = [
      { path: "a/x.ts", text: 'import type { Y } from "./sub/y.ts";' },
      { path: "a/sub/y.ts", text: 'export { z } from "../z.ts";' },
      { path: "a/z.ts", text: 'import type { X } from "./x.ts";' },
      { path: "a/w.ts", text: 'import { x } from "./x.ts";' },
    ];
    expect(importCycles(files)).toEqual([["a/sub/y.ts", "a/x.ts", "a/z.ts"]]);
  });

  test("package.json declares what the sources import", () => {
    const faults: string[] = [];
    for (const folder of packageFolders()) {
      const manifest = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
      const declared = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
      for (const source of all.filter(s => s.path.startsWith(`${folder}/`) && !s.test)) {
        for (const target of importsOf(source.text)) {
          if (target.startsWith(".") || target.startsWith("node:")) continue;
          const name = target.startsWith("@") ? target.split("/").slice(0, 2).join("/") : target.split("/")[0];
          if (name !== manifest.name && declared[name] === undefined) faults.push(`${source.path}: ${name}`);
        }
      }
    }
    expect(faults).toEqual([]);
  });

  test("a forbidden import is found", () => {
    const room = ROOMS.find(r => r.name === "@samsa/log");
    const tried = (text: string): string[] =>
      importFaults({ path: "packages/kernel/log/src/x.ts", text, floor: "kernel", room, test: false } as Source);
    expect(tried('import { readFileSync } from "node:fs";')).toHaveLength(1);
    expect(tried('import {\n  a,\n} from "@samsa/broker";')).toHaveLength(1);
    expect(tried('export * from "@samsa/node";')).toHaveLength(1);
    expect(tried('const x = await import("lodash");')).toHaveLength(1);
    expect(tried('import { utf8 } from "@samsa/base";')).toHaveLength(0);
  });
});

describe("bans", () => {
  test("no source says what its floor may not", () => {
    const faults: string[] = [];
    for (const source of all.filter(s => !s.test)) {
      for (const ban of BANS.filter(b => b.floors.includes(source.floor))) {
        source.text.split("\n").forEach((line, i) => {
          const code = line.replace(/\/\/.*$|^\s*\/?\*.*$/, "");
          const isExcepted = ban.except?.test(source.path) === true || source.path.endsWith("tidy/src/layers.ts");
          if (ban.pattern.test(code) && !isExcepted) {
            faults.push(`${source.path}:${i + 1}: ${ban.why}`);
          }
        });
      }
    }
    expect(faults).toEqual([]);
  });

  // Runs the compiler, since such a file must not build.
  test("a timer or node:fs in a kernel does not compile", () => {
    const folder = mkdtempSync(join(ROOT, "packages/base/.forbidden-"));
    try {
      const compile = (text: string) => {
        writeFileSync(join(folder, "forbidden.ts"), text);
        writeFileSync(
          join(folder, "tsconfig.json"),
          JSON.stringify({ extends: "../../../tsconfig.pure.json", include: ["*.ts"] }),
        );
        return spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
      };
      expect(compile("export const fine = 1;").status).toBe(0);
      for (const [text, named] of [
        ["setTimeout(() => {}, 1);", "setTimeout"],
        ['import { readFileSync } from "node:fs"; readFileSync("x");', "node:fs"],
        ["Buffer.from([1]);", "Buffer"],
        ["process.exit();", "process"],
        ['fetch("http://localhost");', "fetch"],
      ]) {
        const result = compile(text);
        expect(result.status, text).not.toBe(0);
        expect(result.stdout).toContain(named);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("comments", () => {
  test("begin with a noun or a verb", () => {
    expect(all.flatMap(({ path, text }) => forbiddenComments(text).map(line => `${path}:${line}`))).toEqual([]);
  });

  test("with a forbidden first word are found", () => {
    const text = "/** What is read. */\nx();\n  // How it goes.\n/**\n * Those that wait.\n */";
    expect(forbiddenComments(text)).toEqual([1, 3, 5]);
    expect(forbiddenComments("/** Offsets. */\n// Ofs are fine.\nconst x = 1; // What\n")).toEqual([]);
  });
});

describe("sizes", () => {
  test("files and functions stay small", () => {
    const faults: string[] = [];
    for (const source of all) {
      const lines = source.text.split("\n").length;
      if (lines > (source.test ? LIMITS.testFileLines : LIMITS.fileLines))
        faults.push(`${source.path}: ${lines} lines`);
      if (source.test) continue;
      for (const long of longFunctions(source.text, LIMITS.functionLines)) {
        faults.push(`${source.path}:${long.line}: a function of ${long.lines} lines`);
      }
    }
    expect(faults).toEqual([]);
  });

  test("folders hold few files", () => {
    const counts = new Map<string, number>();
    for (const { path, test: isTest } of all) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      if (!isTest) counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    const large = [...counts].flatMap(([folder, count]) => (count > LIMITS.folderFiles ? [folder] : []));
    expect(large.toSorted()).toEqual(FOLDERS_OF_DECLARATIONS.toSorted());
  });

  test("a long function is found", () => {
    const body = "  x();\n".repeat(80);
    expect(longFunctions(`export function f(a: number): void {\n${body}}\n`, 70)).toEqual([{ line: 1, lines: 82 }]);
    expect(longFunctions(`export const f = (a: number) => {\n${body}};\n`, 70)).toHaveLength(1);
    expect(longFunctions(`class A {\n  run(a: number) {\n${body}  }\n}\n`, 70)).toHaveLength(1);
    expect(longFunctions("function f() {\n  x();\n}\n", 70)).toEqual([]);
  });
});

describe("housekeeping", () => {
  test("every package has a README, the licence and the version", () => {
    for (const folder of packageFolders()) {
      expect(present(`${folder}/README.md`), folder).toBe(true);
      const manifest = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
      expect(manifest.license, folder).toBe("Apache-2.0");
      expect(manifest.version, folder).toBe(VERSION);
      for (const version of Object.values({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
        expect(version, folder).toMatch(/^\d+\.\d+\.\d+(?:-[\w.]+)?$/);
      }
    }
  });

  test("every export is used, in its own package's tests at the least", () => {
    const texts = files("packages")
      .concat(files("scripts"))
      .filter(path => /\.(?:ts|mjs)$/.test(path))
      .map(path => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
    const words = new Map<string, number>();
    for (const { text } of texts) {
      for (const word of text.match(/[A-Za-z_$][\w$]*/g) ?? []) words.set(word, (words.get(word) ?? 0) + 1);
    }
    const dead: string[] = [];
    for (const source of all) {
      // Types of messages are exported with their messages, used or not.
      if (source.path.startsWith("packages/format/protocol/src/") && /messages|records/.test(source.path)) continue;
      for (const [, name] of source.text.matchAll(
        /\nexport (?:abstract )?(?:async )?(?:function\*?|const|class|interface|type) (\w+)/g,
      )) {
        if ((words.get(name) ?? 0) < 2) dead.push(`${source.path}: ${name}`);
      }
    }
    expect(dead).toEqual([]);
  });

  test("pages name files that exist", () => {
    const pages = ["README.md", "ARCHITECTURE.md", "STYLE.md", "CONTRIBUTING.md", "SECURITY.md", ...files("docs")];
    const textOf = (path: string): string => readFileSync(join(ROOT, path), "utf8");
    const missing = pages
      .filter(page => page.endsWith(".md"))
      .flatMap(page => packagePaths(textOf(page)).flatMap(path => (present(path) ? [] : [`${page}: ${path}`])));
    expect(missing).toEqual([]);
    expect(missingClassFiles(textOf("docs/kafka-classes.md"), present)).toEqual([]);
  });

  test("a page that names a missing file is found", () => {
    expect(packagePaths("[client](packages/app/client/README.md), `packages/base/src/x.ts`.")).toEqual([
      "packages/app/client/README.md",
      "packages/base/src/x.ts",
    ]);
    const there = new Set(["packages/a/src/x/y.ts", "packages/a/src/x/z.ts", "packages/b/src/"]);
    const table = [
      "## One\n\nFiles without a package are under `packages/a/src/`.\n",
      "| `Y` | `x/y.ts`, `z.ts` | And `b/src/`. |",
      "| `Z` | `z.ts` | `Y.ts` is a `word`. |",
    ].join("\n");
    expect(missingClassFiles(table, path => there.has(path))).toEqual(["z.ts", "Y.ts"]);
  });

  test("the lockfile carries no registry addresses", () => {
    expect(readFileSync(join(ROOT, "package-lock.json"), "utf8")).not.toMatch(/"resolved": "http/);
  });
});
