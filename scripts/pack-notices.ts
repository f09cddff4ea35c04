import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/;

/** Names, versions and licences of the third-party packages that bundled files come from: their licences ask for it. */
export function notices(files: readonly string[]): string {
  const folders = new Set(files.flatMap(file => FOLDER.exec(file.replaceAll("\\", "/"))?.[0] ?? []));
  const parts = [...folders].map(folder => {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, unknown>;
    const texts = readdirSync(folder).filter(name => /^(licen[cs]e|notice|copying)/i.test(name));
    const title = `${String(manifest.name)} ${String(manifest.version)} (${String(manifest.license)})`;
    return [title, ...texts.map(name => readFileSync(join(folder, name), "utf8").trim())].join("\n\n");
  });
  // Several folders may hold the same version.
  const texts = [...new Set(parts)].toSorted();
  return `Third-party code in this package.\n\n${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
