import { createVirtualFileSystem } from "typescript/unstable/fs";
import { afterAll, describe, expect, test } from "vitest";
import { orphanComments, undocumentedExports } from "../src/docs.ts";
import { type Files, namelessImports, unusedExports } from "../src/exports.ts";
import { DROPPED_RESULTS, HEEDFUL_FLOORS, ROOMS } from "../src/layers.ts";
import { Program } from "../src/program.ts";
import { droppedResults, swallowed } from "../src/results.ts";
import { ROOT, sources } from "../src/tree.ts";

const CONFIGS = ["tsconfig.test.json", "tsconfig.node.json", "tsconfig.pure.json"];
const program = new Program(ROOT, CONFIGS);
afterAll(() => program.close());
const files: Files = new Map(program.files.map(file => [file.path, file]));

/** Applies `check` to sources that are not on the disk. */
function planted<T>(texts: Record<string, string>, check: (files: Files) => T): T {
  const options = { compilerOptions: { noLib: true, allowImportingTsExtensions: true, noEmit: true } };
  const fs = createVirtualFileSystem({ "/house/tsconfig.json": JSON.stringify(options), ...onPath(texts) });
  const planted = new Program("/house", ["tsconfig.json"], { fs });
  try {
    return check(new Map(planted.files.map(file => [file.path, file])));
  } finally {
    planted.close();
  }
}

function onPath(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([path, text]) => [`/house/${path}`, text]));
}

const all = sources();

test("the compiler reads every source", () => {
  expect(all.filter(({ path }) => !files.has(path))).toEqual([]);
});

test("the compiler checks the indexes of every source outside of tests", () => {
  expect(all.filter(source => !source.test && !program.indexChecked.has(source.path))).toEqual([]);
});

describe("exports", () => {
  test("and imports of packages are by name", () => {
    expect(namelessImports(files, ROOMS)).toEqual([]);
  });

  test("of an index are used by another package", () => {
    expect(unusedExports(files, ROOMS)).toEqual([]);
  });

  const packages = [
    { name: "@samsa/a", folder: "a" },
    { name: "@samsa/b", folder: "b" },
  ];

  test("that nobody uses are found", () => {
    const texts = {
      "packages/a/src/index.ts": 'export { f, g, type Reply, type Spare } from "./f.ts";\nexport const x = 1;',
      "packages/a/src/f.ts": [
        "export interface Reply {}\nexport interface Spare {}",
        "export function f(): Reply { const spare: Spare = {}; return spare; }\nexport function g() {}",
      ].join("\n"),
      "packages/a/test/f.test.ts": 'import { x } from "@samsa/a";\nimport { g } from "../src/index.ts";',
      "packages/b/src/index.ts": 'import { f } from "@samsa/a";\nf();',
    };
    expect(planted(texts, found => unusedExports(found, packages))).toEqual(["@samsa/a: g", "@samsa/a: Spare"]);
  });

  test("without names are found", () => {
    const texts = {
      "packages/a/src/index.ts": 'export * from "./f.ts";\nexport { f } from "./f.ts";\nexport * as g from "./f.ts";',
      "packages/a/src/f.ts": "export const f = 1;",
      "packages/b/src/index.ts": 'import * as a from "@samsa/a";\nimport * as f from "./f.ts";',
    };
    expect(planted(texts, found => namelessImports(found, packages))).toEqual([
      "packages/a/src/index.ts:1: export by name",
      "packages/a/src/index.ts:3: export by name",
      "packages/b/src/index.ts:1: import by name",
    ]);
  });
});

describe("doc comments", () => {
  test("belong to every export of an index", () => {
    expect(undocumentedExports(files, ROOMS)).toEqual([]);
  });

  test("precede what they document", () => {
    expect(program.files.flatMap(orphanComments)).toEqual([]);
  });

  test("that are missing are found", () => {
    const texts = {
      "packages/a/src/index.ts": 'export { f, type T, x } from "./f.ts";',
      "packages/a/src/f.ts":
        "/** File. */\nimport {} from 'b';\nexport type T = 1;\n/** X. */\nexport const x = 1;\nexport function f() {}",
    };
    expect(planted(texts, found => undocumentedExports(found, [{ name: "@samsa/a", folder: "a" }]))).toEqual([
      "packages/a/src/f.ts:6: f",
      "packages/a/src/f.ts:3: T",
    ]);
  });

  test("without a declaration are found", () => {
    const text = [
      "/** File. */\nimport {} from 'b';\n/** Two. */\n/** One. */\nexport const x = {\n  /** A. */\n  a: 1,\n  /** End. */\n};",
      "type U =\n  /** Variant. */\n  | 1\n  | 2;\n/** Call. */\nf();\n/** Last. */",
    ].join("\n");
    const orphans = planted({ "packages/a/src/f.ts": text }, found => [...found.values()].flatMap(orphanComments));
    expect(orphans.map(where => where.split(":")[1])).toEqual(["3", "8", "14", "16"]);
  });
});

describe("results", () => {
  const tests = new Set(all.filter(source => source.test).map(({ path }) => path));

  test("and errors are not swallowed", () => {
    expect(program.files.flatMap(file => swallowed(file, tests.has(file.path)))).toEqual([]);
  });

  test("are dropped for a reason only", () => {
    const heedful = new Set(
      all.filter(({ floor, test: isTest }) => HEEDFUL_FLOORS.includes(floor) && !isTest).map(({ path }) => path),
    );
    const dropped = droppedResults(program.files.filter(({ path }) => heedful.has(path)));
    const reasoned = Object.keys(DROPPED_RESULTS).map(place => `packages/${place}`);
    expect(dropped.toSorted()).toEqual(reasoned.toSorted());
  });

  test("that are swallowed are found", () => {
    const text = `
      declare const p: { then(a: () => void, b: () => void): void; catch(a: () => void): void };
      declare const e: { on(name: string, a: () => void): void };
      declare function ignored(reason: string): () => undefined;
      try { e.on("data", () => {}); } catch {}
      void p;
      p.catch(() => {});
      p.then(() => undefined, () => undefined);
      e.on("error", () => undefined);
      p.catch(ignored("it is the last"));
      void 0;
    `;
    const lines = (isTest: boolean): string[] =>
      planted({ "packages/a/src/f.ts": text }, found =>
        [...found.values()].flatMap(file => swallowed(file, isTest).map(fault => fault.split(":")[1])),
      );
    expect(lines(false)).toEqual(["5", "5", "6", "7", "8", "9"]);
    expect(lines(true)).toEqual(["5", "7", "8", "9"]);
  });

  test("that are dropped are found", () => {
    const text = `
      type Offset = number & { readonly tag?: "Offset" };
      declare const log: { append(): number; write(): boolean | undefined; roll(): void; name(): string; end(): Offset };
      declare const judge: { check(): { readonly errorCode: number } };
      async function f() { await log.append(); void log.write(); log.roll(); log.name(); judge.check(); log.end(); }
      if (log.append() === 0) f();
    `;
    expect(planted({ "packages/a/src/f.ts": text }, found => droppedResults([...found.values()]))).toEqual([
      "packages/a/src/f.ts append",
      "packages/a/src/f.ts write",
      "packages/a/src/f.ts check",
      "packages/a/src/f.ts end",
    ]);
  });
});
