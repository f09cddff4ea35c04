import { type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { splitList } from "@samsa/base";
import { brokerConfigs, isListenerSetting } from "@samsa/broker";
import type { Finding } from "./finding.ts";

const [READ, WRITE, ENTER] = [0o4, 0o2, 0o1];
const DIRECTORIES = ["log.dirs", "log.dir", "metadata.log.dir"];

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    // A start says what is wrong with it.
    return undefined;
  }
}

/** True if others than the owner and the group have `access` to a path, through all folders above it. */
function isOpen(path: string, access: number): boolean {
  const own = statOf(path);
  if (own === undefined || (own.mode & access) === 0) return false;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (((statOf(folder)?.mode ?? 0) & ENTER) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** Values of a setting, also of single listeners, as paths. */
function pathsOf(settings: ReadonlyMap<string, string>, setting: string): string[] {
  const found = [...settings].filter(([name]) => name === setting || name.endsWith(`.${setting}`));
  return found.flatMap(([, value]) => (value.trim() === "" ? [] : [resolve(value.trim())]));
}

/** True for a setting whose value is a secret. */
function isSecret(name: string): boolean {
  const specs: Readonly<Record<string, { readonly type: string }>> = brokerConfigs;
  const own = isListenerSetting(name) ? Object.keys(specs).find(known => name.endsWith(`.${known}`)) : name;
  return own !== undefined && specs[own]?.type === "password" && !/certificate/.test(own);
}

function fileFinding(path: string, holds: string): Finding[] {
  const remedy = `chmod 600 ${path}`;
  if (isOpen(path, READ)) {
    return [
      { severity: "high", subject: path, fault: `everyone on this machine may read this file with ${holds}`, remedy },
    ];
  }
  return [];
}

function writable(path: string): Finding[] {
  if (!isOpen(path, WRITE)) return [];
  return [
    { severity: "high", subject: path, fault: "everyone on this machine may change it", remedy: `chmod o-w ${path}` },
  ];
}

/** Finds files and directories of a node that everyone on this machine may read or change. `file` has the settings. */
export function fileFindings(file: string | undefined, settings: ReadonlyMap<string, string>): Finding[] {
  const files = file === undefined ? [] : [resolve(file)];
  const hasSecrets = [...settings.keys()].some(isSecret);
  const keys = pathsOf(settings, "ssl.keystore.location");
  const directories = DIRECTORIES.flatMap(name => splitList(settings.get(name) ?? "")).map(path => resolve(path));
  return [
    ...(hasSecrets ? files.flatMap(path => fileFinding(path, "passwords or keys")) : []),
    ...keys.flatMap(path => fileFinding(path, "a private key")),
    ...[...files, ...keys, ...pathsOf(settings, "ssl.truststore.location"), ...directories].flatMap(writable),
    ...directories
      .filter(path => isOpen(path, READ | ENTER))
      .map((subject): Finding => {
        const fault = "everyone on this machine may read the records in this directory";
        return { severity: "medium", subject, fault, remedy: `chmod 700 ${subject}` };
      }),
  ];
}
