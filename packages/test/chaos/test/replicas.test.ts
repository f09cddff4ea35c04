import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unequalReplicas } from "../src/check/replicas.ts";

/** Log directories of two nodes, each with the text of the segments of `t-0`. */
function compared(...nodes: readonly (readonly string[])[]): string[] {
  const home = mkdtempSync(join(tmpdir(), "samsa-chaos-test-"));
  try {
    const directories = nodes.map((segments, i) => {
      const directory = join(home, String(i));
      mkdirSync(join(directory, "t-0"), { recursive: true });
      mkdirSync(join(directory, "__cluster_metadata-0"));
      writeFileSync(join(directory, "__cluster_metadata-0", "0.log"), String(i));
      segments.forEach((text, at) => writeFileSync(join(directory, "t-0", `${at}.log`), text));
      writeFileSync(join(directory, "t-0", "0.index"), String(i));
      return directory;
    });
    return unequalReplicas(
      directories.map((directory, i) => ({ id: i + 1, directories: [join(home, "none"), directory] })),
    );
  } finally {
    rmSync(home, { recursive: true });
  }
}

test("replicas with the same records agree, wherever their segments begin", () => {
  expect(compared(["ab", "c"], ["a", "bc"])).toEqual([]);
});

test("a replica that differs in one byte, or lacks the end, is found", () => {
  expect(compared(["abc"], ["abd"])).toEqual([expect.stringMatching(/^the replicas of t-0 differ \(1: .*, 2: .*\)$/)]);
  expect(compared(["abc"], ["ab"])).toHaveLength(1);
});
