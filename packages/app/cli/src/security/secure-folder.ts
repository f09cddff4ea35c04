import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Env, parseProperties, randomUuid } from "@samsa/base";
import { firstCredentials, formatStorage } from "@samsa/broker";
import { Failure } from "../terminal/failure.ts";
import { type Identity, issue, makeAuthority } from "./certificates.ts";
import {
  clientSettingsOf,
  firstUsers,
  type Passwords,
  planNodes,
  type SecureNode,
  type SecureShape,
  serverSettings,
  votersOf,
} from "./secure-plan.ts";

const PASSWORD_BYTES = 24;

function write(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600, flag: "wx" });
}

function makeFolder(path: string): void {
  mkdirSync(path, { mode: 0o700 });
}

/** Name of the folder of a node. */
export function nodeFolder({ id }: Pick<SecureNode, "id">): string {
  return `node-${id}`;
}

/** Throws `Failure` if a folder has something in it: keys and data are never replaced. */
function checkEmpty(folder: string): void {
  if (folder.includes(",")) throw new Failure(`${folder}: log.dirs takes no folder with a comma in its name`);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Failure(`${folder} is not empty: name another folder, as its keys and data would be lost`);
  }
}

interface Materials {
  readonly authority: Identity;
  readonly nodes: readonly SecureNode[];
  readonly passwords: Passwords;
  readonly days: number;
}

/** Writes certificates and settings into `staging`, which becomes `folder`. */
async function writeFiles(staging: string, folder: string, materials: Materials): Promise<void> {
  const { authority, nodes, passwords, days } = materials;
  write(join(staging, "ca.pem"), authority.certificate);
  write(join(staging, "ca.key"), authority.key);
  write(join(staging, "client.properties"), clientSettingsOf(nodes, passwords.admin, authority.certificate));
  for (const node of nodes) {
    const name = nodeFolder(node);
    makeFolder(join(staging, name));
    makeFolder(join(staging, name, "data"));
    const { certificate, key } = await issue(authority, { name, hosts: node.hosts }, days);
    write(join(staging, name, "node.pem"), key + certificate);
    write(join(staging, name, "ca.pem"), authority.certificate);
    const settings = serverSettings(node, nodes, { folder: join(folder, name), passwords });
    write(join(staging, name, "server.properties"), settings);
  }
}

/** Formats the directory of each node, with the first users in that of each controller. */
async function format(
  env: Env,
  staging: string,
  { nodes, passwords, folder }: Pick<Materials, "nodes" | "passwords"> & { readonly folder: string },
): Promise<void> {
  const newId = () => randomUuid(length => env.random.bytes(length));
  const [clusterId, voters] = [newId(), votersOf(nodes, newId)];
  const credentials = await firstCredentials(env, firstUsers(passwords));
  for (const node of nodes) {
    const name = nodeFolder(node);
    const text = serverSettings(node, nodes, { folder: join(folder, name), passwords });
    const settings = parseProperties(text).set("log.dirs", join(staging, name, "data"));
    const quorum = node.isController ? ({ kind: "voters", voters } as const) : ({ kind: "none" } as const);
    formatStorage(env, { settings, clusterId, ignoreFormatted: false, features: [], quorum, credentials });
  }
}

/** Makes a folder by `fill`, which gets the path of an empty one that only its owner may read: all of it, or nothing. */
async function makeWhole(folder: string, fill: (staging: string) => Promise<void>): Promise<void> {
  checkEmpty(folder);
  mkdirSync(dirname(folder), { recursive: true });
  const staging = mkdtempSync(join(dirname(folder), `.${basename(folder)}-`));
  try {
    await fill(staging);
    renameSync(staging, folder);
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Makes the folder of a secured cluster: an authority, and settings, certificate and formatted data of each node. Only the
 * owner may read it. `folder` is absolute. Throws `Failure`.
 */
export async function makeSecureFolder(
  env: Env,
  folder: string,
  { days, ...shape }: SecureShape & { readonly days: number },
): Promise<readonly SecureNode[]> {
  const nodes = planNodes(shape);
  const secret = (): string => randomBytes(PASSWORD_BYTES).toString("base64url");
  const passwords = { admin: secret(), broker: secret() };
  try {
    await makeWhole(folder, async staging => {
      const authority = await makeAuthority("Samsa authority");
      await writeFiles(staging, folder, { authority, nodes, passwords, days });
      await format(env, staging, { nodes, passwords, folder });
    });
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw new Failure(`${folder} cannot be made: ${error.message}`);
    throw error;
  }
  return nodes;
}
