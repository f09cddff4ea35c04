/**
 * Completes `package-lock.json` after `npm install`. A registry mirror that lacks a package for some other platform
 * makes npm leave it out of the lockfile, and `npm ci` then refuses the whole file. Such packages are optional and never
 * installed on the platform at hand; their entries (version, os, cpu) follow from their names and their parents.
 *
 * The script also removes the versions of Node that packages ask for: npm would warn of the Node that it runs on itself, and
 * everything here runs on the one that the repository pins.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Entry {
  version?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  license?: string;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
  engines?: unknown;
}

const file = join(import.meta.dirname, "..", "package-lock.json");
const SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const PROCESSORS = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64", "wasm32"];

function platformOf(name: string): Pick<Entry, "os" | "cpu" | "libc"> {
  const parts = name.split(/[/-]/);
  const os = SYSTEMS.filter(system => parts.includes(system));
  const cpu = PROCESSORS.filter(processor => parts.includes(processor));
  const libc = parts.includes("musl") ? ["musl"] : parts.includes("gnu") && os.includes("linux") ? ["glibc"] : [];
  return { ...(cpu.length > 0 && { cpu }), ...(os.length > 0 && { os }), ...(libc.length > 0 && { libc }) };
}

const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, Entry> };
for (const [path, entry] of Object.entries(lock.packages)) {
  // Those of the repository itself stay: they name the Node and npm that can set it up.
  if (path !== "") delete entry.engines;
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`;
    const hoisted = `node_modules/${name}`;
    const known = lock.packages[nested] ?? lock.packages[hoisted];
    if (known !== undefined || !/^\d+\.\d+\.\d+/.test(version)) continue;
    const platform = platformOf(name);
    if (platform.os === undefined && platform.cpu === undefined) throw new Error(`which platform is ${name} for?`);
    const license = entry.license === undefined ? {} : { license: entry.license };
    lock.packages[hoisted] = { version, ...platform, ...(entry.dev && { dev: true }), ...license, optional: true };
    console.log(`added ${name}@${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
