import { hostname } from "node:os";
import { relative, resolve } from "node:path";
import { nodeEnv } from "@samsa/node";
import { isLoopbackName } from "../security/exposure.ts";
import { makeSecureFolder, nodeFolder } from "../security/secure-folder.ts";
import { Failure } from "../terminal/failure.ts";
import { createLogger } from "../terminal/logger.ts";

/** Options of `samsa security init`. */
interface InitOptions {
  readonly nodes: string;
  readonly hosts?: string;
  readonly port: string;
  readonly controllerPort: string;
  readonly days: string;
  readonly json?: boolean;
}

const MOST_NODES = 100;
const MOST_PORT = 65_535;
const MOST_DAYS = 3650;

function counted(option: string, text: string, most: number): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw new Failure(`${option} wants a number from 1 to ${most}, not "${text}"`);
  return value;
}

/** Path as the user would type it. */
function typed(path: string): string {
  const near = relative(".", path);
  const shown = near.startsWith("..") || near === "" ? path : near;
  return /^[\w./@:+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`;
}

/** `samsa security init`. */
export async function init(name: string, options: InitOptions): Promise<void> {
  const folder = resolve(name);
  const nodes = await makeSecureFolder(nodeEnv({ logger: createLogger("warn") }), folder, {
    nodes: counted("--nodes", options.nodes, MOST_NODES),
    hosts: options.hosts?.split(",").map(host => host.trim()),
    hostName: hostname(),
    port: counted("--port", options.port, MOST_PORT),
    controllerPort: counted("--controller-port", options.controllerPort, MOST_PORT),
    days: counted("--days", options.days, MOST_DAYS),
  });
  const client = `--command-config ${typed(`${folder}/client.properties`)}`;
  const starts = nodes.map(node => `samsa start ${typed(`${folder}/${nodeFolder(node)}/server.properties`)}`);
  const next = [
    `samsa cluster describe --wait 60 ${client}`,
    `samsa produce greetings hello ${client}`,
    `samsa consume greetings ${client}`,
  ];
  if (options.json === true) {
    const shown = nodes.map(({ id, hosts: [host], port }) => ({
      id,
      host,
      port,
      folder: `${folder}/${nodeFolder({ id })}`,
    }));
    console.log(JSON.stringify({ folder, client: `${folder}/client.properties`, nodes: shown, starts, next }));
    return;
  }
  const isElsewhere = nodes.some(({ hosts: [host] }) => !isLoopbackName(host) && host !== hostname());
  const lines = [
    `${typed(folder)} has a cluster of ${nodes.length} node${nodes.length === 1 ? "" : "s"}, with TLS, passwords and an authorizer.`,
    `Keep ${typed(`${folder}/ca.key`)} in a safe place: who has it can make certificates that the cluster trusts.`,
    "",
    ...(isElsewhere
      ? [
          "Start each node on its machine, as a process of its own, after you have copied its folder to the same path there:",
          ...starts.map((start, i) => `  ${start}    # on ${nodes[i]?.hosts[0]}`),
        ]
      : ["Start each node, as a process of its own:", ...starts.map(start => `  ${start} &`)]),
    "",
    "Then look, write and read, as the user admin:",
    ...next.map(line => `  ${line}`),
  ];
  for (const line of lines) console.log(line);
}
