/**
 * `npm run release -- --tag v1.2.3`: checks that the tag is the version of all packages and that CHANGELOG.md has a section of it, and
 * makes what a release has: tarballs, a list of the parts (SBOM, CycloneDX), the notes and checksums. Without
 * `--artifacts-only` it sets the tag, too. Publishing is left to `.github/workflows/release.yml`.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { command } from "./options.ts";
import { notesOf } from "./release-notes.ts";

const root = join(import.meta.dirname, "..");
const options = command("release", "makes what a release has, and its tag")
  .requiredOption("--tag <tag>", "tag of the release, as v1.2.3")
  .option("--artifacts-only", "do not set the tag")
  .option("--folder <folder>", "where they go; what was there is removed", "dist/release")
  .parse()
  .opts<{ readonly tag: string; readonly artifactsOnly?: true; readonly folder: string }>();

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}

const version = options.tag.replace(/^v/, "");
if (!/^v\d+\.\d+\.\d+$/.test(options.tag)) fail(`a tag is v1.2.3, not "${options.tag}"`);
const others = ["package.json", ...globSync("packages/{*,*/*}/package.json", { cwd: root })].filter(path => {
  const manifest = JSON.parse(readFileSync(join(root, path), "utf8")) as { version?: string };
  return manifest.version !== version;
});
if (others.length > 0) fail(`these packages have another version than ${version}: ${others.join(", ")}`);
const notes = notesOf(readFileSync(join(root, "CHANGELOG.md"), "utf8"), version);
if (notes === undefined) fail(`CHANGELOG.md has no section "## ${version}" with a text`);

const target = resolve(root, options.folder);
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const pack = [join(root, "scripts/launch.mjs"), "pack", target];
execFileSync(process.execPath, pack, { stdio: ["ignore", "ignore", "inherit"] });
const sbom = ["sbom", "--sbom-format", "cyclonedx", "--sbom-type", "application", "--omit", "dev"];
writeFileSync(join(target, "sbom.cdx.json"), execFileSync("npm", sbom, { cwd: root, maxBuffer: 1 << 26 }));
writeFileSync(join(target, "NOTES.md"), notes);
const sums = globSync("*", { cwd: target })
  .toSorted()
  .map(
    name =>
      `${createHash("sha256")
        .update(readFileSync(join(target, name)))
        .digest("hex")}  ${name}\n`,
  );
writeFileSync(join(target, "SHA256SUMS"), sums.join(""));
if (options.artifactsOnly !== true) {
  execFileSync("git", ["tag", "--annotate", options.tag, "--message", `Samsa ${version}`], { cwd: root });
}
console.log(target);
