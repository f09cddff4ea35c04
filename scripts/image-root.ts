/**
 * `npm run image:root -- folder`: what the image has beside its base: the packed command in `/opt/samsa`, scripts at the places
 * where programs look for them in images of Kafka, and folders for settings and data. The Dockerfile copies it.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { TOOL_NAMES } from "../packages/app/cli/src/kafka-tools/tools.ts";
import { command } from "./options.ts";

const root = join(import.meta.dirname, "..");
const [given = "dist/image"] = command("image:root", "makes the root folder of the image")
  .argument("[folder]", "where it goes instead of dist/image; what was there is removed")
  .parse().args;
const target = resolve(given);
const at = (path: string): string => join(target, path);
const packs = mkdtempSync(join(tmpdir(), "samsa-image-"));

/** Folders that the user of the image may write to. */
const WRITABLE = [
  "var/lib/samsa",
  "var/lib/kafka/data",
  "opt/kafka/config",
  "etc/kafka/secrets",
  "etc/confluent/docker",
  "mnt/shared/config",
];

try {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(at("opt/samsa"), { recursive: true });
  const pack = [join(root, "scripts/launch.mjs"), "pack", packs, "--only", "cli"];
  execFileSync(process.execPath, pack, { stdio: ["ignore", "ignore", "inherit"] });
  const [tarball = ""] = globSync("*.tgz", { cwd: packs });
  // npm brings the native codecs of this platform.
  const npm = ["install", "--prefix", packs, "--no-audit", "--no-fund", "--silent", join(packs, tarball)];
  execFileSync("npm", npm, { stdio: "inherit" });
  cpSync(join(packs, "node_modules/samsa"), at("opt/samsa"), { recursive: true });
  cpSync(join(packs, "node_modules"), at("opt/samsa/node_modules"), {
    recursive: true,
    filter: path => !/node_modules\/(samsa$|samsa\/|\.)/.test(path.slice(packs.length)),
  });
  // Source maps are for programmers: they take half of the room.
  for (const map of globSync("dist/**/*.map", { cwd: at("opt/samsa") })) rmSync(join(at("opt/samsa"), map));
  cpSync(join(root, "deploy/container/bin"), at("opt/samsa/bin"), { recursive: true });
  cpSync(join(root, "deploy/container/kafka"), at("etc/kafka/docker"), { recursive: true });
  cpSync(join(root, "deploy/container/confluent"), at("etc/confluent/docker"), { recursive: true });
  mkdirSync(at("opt/kafka/bin"), { recursive: true });
  mkdirSync(at("usr/bin"), { recursive: true });
  for (const name of [...TOOL_NAMES, "kafka-server-start"]) {
    symlinkSync("/opt/samsa/bin/samsa", at(`opt/kafka/bin/${name}.sh`));
    symlinkSync("/opt/samsa/bin/samsa", at(`usr/bin/${name}`));
  }
  symlinkSync("/opt/samsa/bin/samsa", at("usr/bin/samsa"));
  for (const folder of [...WRITABLE, "etc/kafka"]) {
    mkdirSync(at(folder), { recursive: true });
    chmodSync(at(folder), 0o775);
  }
  console.log(target);
} finally {
  rmSync(packs, { recursive: true, force: true });
}
