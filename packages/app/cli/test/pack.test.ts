import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { NODE_FLAGS } from "../../../../scripts/flags.ts";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../../../..");
let folder: string;

// Uses a folder in the repository, so that third-party packages resolve from its node_modules.
beforeAll(() => {
  mkdirSync(join(root, ".samsa"), { recursive: true });
  folder = mkdtempSync(join(root, ".samsa", "packed-"));
  const tarballs = join(folder, "tarballs");
  mkdirSync(tarballs);
  for (const name of ["samsa-0.0.0.tgz", "kept.txt"]) writeFileSync(join(tarballs, name), "");
  execFileSync(process.execPath, [join(root, "scripts", "pack.ts"), tarballs], { cwd: folder });
  for (const file of globSync("*.tgz", { cwd: tarballs })) {
    const name = file.replace(/-\d+\.\d+\.\d+\.tgz$/, "");
    const target = join(folder, "node_modules", name === "samsa" ? name : name.replace("samsa-", "@samsa/"));
    mkdirSync(target, { recursive: true });
    execFileSync("tar", ["-xzf", join(tarballs, file), "-C", target, "--strip-components=1"]);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("packing replaces the tarballs of its folder, and nothing else in it", () => {
  const left = readdirSync(join(folder, "tarballs"));
  expect(left).toContain("kept.txt");
  expect(left.filter(name => /^samsa-\d/.test(name))).toHaveLength(1);
  expect(left).not.toContain("samsa-0.0.0.tgz");
});

test("the packed command knows its version", () => {
  const main = join(folder, "node_modules", "samsa", "dist", "samsa.js");
  const { stdout, stderr } = spawnSync(process.execPath, [main, "--version"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^samsa \d+\.\d+\.\d+ \((?:[0-9a-f]{7,}|unknown)\)\n$/);
});

test("the package of the command needs no other one, but prebuilt native codecs if they are there", () => {
  const packed = join(folder, "node_modules", "samsa");
  const manifest = JSON.parse(readFileSync(join(packed, "package.json"), "utf8")) as Record<string, unknown>;
  expect(manifest.dependencies).toBeUndefined();
  expect(Object.keys(manifest.optionalDependencies ?? {})).toEqual(["@node-rs/crc32", "lz4-napi", "snappy"]);
  const [tarball = ""] = globSync("samsa-0*.tgz", { cwd: join(folder, "tarballs") });
  expect(statSync(join(folder, "tarballs", tarball)).size).toBeLessThan(25_000_000);
  const sources = globSync("packages/host/node/src/**/*.ts", { cwd: root }).map(path =>
    readFileSync(join(root, path), "utf8"),
  );
  const loaded = sources.flatMap(source => [...source.matchAll(/requiredModule<.*>\("(?!node:)(.*?)"\)/g)]);
  expect(loaded.length).toBeGreaterThan(2);
  for (const [, name] of loaded) expect(existsSync(join(packed, "dist/vendored", `${name}.cjs`)), name).toBe(true);
  expect(readFileSync(join(packed, "THIRD-PARTY.txt"), "utf8")).toContain("Permission is hereby granted");
});

test("the packed packages are plain JavaScript with declarations, as ES modules and as CommonJS", () => {
  for (const name of ["client", "testkit"]) {
    const packed = join(folder, "node_modules", "@samsa", name);
    const sources = globSync("**/*.{ts,cts}", { cwd: packed, exclude: ["**/*.d.ts", "**/*.d.cts"] });
    expect(sources).toEqual([]);
    const { exports } = JSON.parse(readFileSync(join(packed, "package.json"), "utf8")) as {
      exports: { ".": Record<"import" | "require", { types: string; default: string }> };
    };
    for (const { types, default: main } of Object.values(exports["."])) {
      expect([existsSync(join(packed, types)), existsSync(join(packed, main))]).toEqual([true, true]);
    }
  }
  const body = `startCluster().then(async cluster => {
    const client = new KafkaClient(cluster.bootstrapServers);
    console.log((await client.producer().send({ topic: "packed", value: "x" })).offset);
    await client.close();
    await cluster.close();
  });`;
  const names = [
    ["KafkaClient", "@samsa/client"],
    ["startCluster", "@samsa/testkit"],
  ];
  const forms = {
    "program.mjs": names.map(([name, from]) => `import { ${name} } from "${from}";`),
    "program.cjs": names.map(([name, from]) => `const { ${name} } = require("${from}");`),
  };
  for (const [file, head] of Object.entries(forms)) {
    writeFileSync(join(folder, file), [...head, body].join("\n"));
    const { stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: "utf8" });
    expect([stdout, stderr]).toEqual(["0\n", ""]);
  }
});

test("a new bundle leaves the one from which a broker runs as it is", () => {
  const copy = join(folder, "bundled");
  for (const part of [
    "package.json",
    "scripts",
    "packages/app/cli/package.json",
    "packages/app/cli/src",
    "packages/host/node/src",
  ]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  const bundle = (): string => {
    execFileSync(process.execPath, [join(copy, "scripts", "bundle.ts")], { cwd: copy });
    return realpathSync(join(copy, "dist", "current"));
  };
  const files = (path: string) =>
    readdirSync(path).map(name => [name, statSync(join(path, name)).ino, readFileSync(join(path, name), "utf8")]);
  const first = bundle();
  const before = files(first);
  const main = join(copy, "packages/app/cli/src/main.ts");
  writeFileSync(main, `process.on("exit", () => console.error("edited"));\n${readFileSync(main, "utf8")}`);
  const second = bundle();
  expect(second).not.toBe(first);
  expect(files(first)).toEqual(before);
  const run = (path: string) => spawnSync(process.execPath, [join(path, "samsa.mjs"), "--version"]).stderr.toString();
  expect([run(first), run(second)]).toEqual(["", "edited\n"]);
  expect(bundle()).toBe(second);
});

test("the command in the repository starts Node as npm start does", () => {
  const command = readFileSync(join(root, "packages", "app", "cli", "bin", "samsa"), "utf8");
  expect(command).toContain(`exec "$node" ${NODE_FLAGS.join(" ")} "$bundle"`);
});
