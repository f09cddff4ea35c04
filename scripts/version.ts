import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

function commit(root: string): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "unknown";
  }
}

/** The constants that `samsa --version` is made of, as source text by name. */
export function versionConstants(root: string): Record<string, string> {
  const manifest = readFileSync(join(root, "packages/app/cli/package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  return { SAMSA_VERSION: JSON.stringify(version), SAMSA_COMMIT: JSON.stringify(commit(root)) };
}
