import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { brokerConfigs } from "@samsa/broker";
import { expect, test } from "vitest";
import { notesOf } from "../../../../../scripts/release-notes.ts";
import { SAMSA_VARIABLES, settingOf } from "../../src/container/environment.ts";

const root = join(import.meta.dirname, "../../../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const FILES = ["Dockerfile", ...globSync("deploy/{*.yaml,kubernetes/*.yaml}", { cwd: root })];

test("variables in the files of containers are settings, and options of the image", () => {
  expect(FILES.length).toBeGreaterThan(3);
  let known = 0;
  for (const file of FILES) {
    for (const [variable] of read(file).matchAll(/\b(?:KAFKA|SAMSA)_[A-Z0-9_]+\b/g)) {
      known++;
      if (variable.startsWith("SAMSA_")) expect(SAMSA_VARIABLES, file).toContain(variable);
      else expect(Object.keys(brokerConfigs), `${file}: ${variable}`).toContain(settingOf(variable));
    }
  }
  expect(known).toBeGreaterThan(20);
});

test("scripts that CI and releases run are npm scripts", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const workflows = globSync(".github/workflows/*.yml", { cwd: root });
  expect(workflows.length).toBeGreaterThan(1);
  const named = [...workflows, "Dockerfile"].flatMap(file =>
    [...read(file).matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => name),
  );
  expect(named.length).toBeGreaterThan(3);
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
});

test("each npm script of launch.mjs has its program", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const programs = Object.values(scripts).flatMap(text => /launch\.mjs ([\w-]+)/.exec(text)?.[1] ?? []);
  expect(programs.length).toBeGreaterThan(5);
  expect(programs.filter(name => globSync(`scripts/${name}.ts`, { cwd: root }).length === 0)).toEqual([]);
});

test("notes of a release are its section of the changelog", () => {
  const changelog = "# Changelog\n\n## Unreleased\n\n- c\n\n## [1.2.0] - 2026\n\n### Added\n\n- b\n\n## 1.1.0\n";
  expect(notesOf(changelog, "1.2.0")).toBe("### Added\n\n- b\n");
  expect(notesOf(changelog, "1.1.0")).toBeUndefined();
  expect(notesOf(changelog, "1.2")).toBeUndefined();
});
