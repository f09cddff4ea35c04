import { isIP } from "node:net";
import { STANDARD_AUTHORIZER } from "@samsa/broker";
import { endpointText } from "@samsa/wire";
import { replicationOf } from "../cluster/cluster-plan.ts";
import { Failure } from "../terminal/failure.ts";
import { isLoopbackName } from "./exposure.ts";

/** Node of a secured cluster. */
export interface SecureNode {
  readonly id: number;
  readonly isController: boolean;
  /** Names and addresses of its machine, for its certificate; the first is what others connect to. */
  readonly hosts: readonly [string, ...string[]];
  readonly port: number;
  readonly controllerPort: number;
}

/** Size and places of a secured cluster, as the options give them. */
export interface SecureShape {
  readonly nodes: number;
  /** Hosts that the user names; undefined: this machine, as localhost. */
  readonly hosts: readonly string[] | undefined;
  /** Name of this machine. */
  readonly hostName: string;
  readonly port: number;
  readonly controllerPort: number;
}

/** Users that a secured cluster begins with. */
export const ADMIN = "admin";
/** Name of all nodes: by its password towards brokers, by the certificates of nodes towards controllers. */
const BROKER = "broker";
export const MECHANISM = "SCRAM-SHA-512";
const LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule";

/** Most controllers. */
const MOST_CONTROLLERS = 3;
const HOST = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** Hosts of each node: one for each, or all of one machine. */
function hostsOf({ nodes, hosts, hostName }: SecureShape): readonly (readonly [string, ...string[]])[] {
  const invalid = hosts?.find(host => !HOST.test(host) && isIP(host) === 0);
  if (invalid !== undefined) throw new Failure(`--hosts wants names or addresses of machines, not "${invalid}"`);
  const own = [...new Set(["localhost", "127.0.0.1", "::1", ...(HOST.test(hostName) ? [hostName] : [])])];
  const [first = "localhost", ...more] = hosts ?? own;
  const ofOne = [first, ...more] as const;
  if (hosts === undefined || nodes === 1 || more.length === 0) return Array.from({ length: nodes }, () => ofOne);
  if (hosts.length === nodes) return hosts.map(host => [host]);
  throw new Failure(`--hosts wants one machine for all nodes, or one for each of the ${nodes} nodes`);
}

/** Plans the nodes of a secured cluster. Nodes on the same machine have ports that are counted up. Throws `Failure`. */
export function planNodes(shape: SecureShape): readonly SecureNode[] {
  const { nodes, port, controllerPort } = shape;
  const controllers = nodes < MOST_CONTROLLERS ? 1 : MOST_CONTROLLERS;
  const taken = new Map<string, number>();
  const planned = hostsOf(shape).map((hosts, i): SecureNode => {
    const above = taken.get(hosts[0]) ?? 0;
    taken.set(hosts[0], above + 1);
    return {
      id: i + 1,
      isController: i < controllers,
      hosts,
      port: port + above,
      controllerPort: controllerPort + above,
    };
  });
  const most = Math.max(...taken.values());
  const isMeeting = port < controllerPort + most && controllerPort < port + most;
  if (isMeeting || Math.max(port, controllerPort) + most > 65536) {
    throw new Failure(`--port and --controller-port want ${most} free ports each, counted up, below 65536`);
  }
  return planned;
}

/** Value of a file of settings, which are in ISO-8859-1. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll(/[^\x20-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** File of settings. An entry is a comment, or a name and its value. */
function fileOf(entries: readonly (string | readonly [string, string])[]): string {
  const lines = entries.map(entry => (typeof entry === "string" ? `\n# ${entry}` : `${entry[0]}=${escaped(entry[1])}`));
  return `${lines.join("\n").trimStart()}\n`;
}

const login = (user: string, password: string): string =>
  `${LOGIN_MODULE} required username="${user}" password="${password}";`;

/** Flag of `storage format` with the first credential of a user. */
function flagOf(user: string, password: string): string {
  return `${MECHANISM}=[name=${user},password=${password}]`;
}

/** Passwords of the users that a secured cluster begins with. */
export interface Passwords {
  readonly admin: string;
  readonly broker: string;
}

/** Flags `--add-scram` for the users that a secured cluster begins with. */
export function firstUsers({ admin, broker }: Passwords): readonly string[] {
  return [flagOf(ADMIN, admin), flagOf(BROKER, broker)];
}

const controllersOf = (nodes: readonly SecureNode[]): readonly SecureNode[] =>
  nodes.filter(({ isController }) => isController);

const controllerPlace = ({ hosts: [host], controllerPort: port }: SecureNode): string => endpointText({ host, port });

/** First voters, as `storage format --initial-controllers` takes them. */
export function votersOf(nodes: readonly SecureNode[], newId: () => string): string {
  return controllersOf(nodes)
    .map(node => `${node.id}@${controllerPlace(node)}:${newId()}`)
    .join(",");
}

const brokerPlace = ({ hosts: [host], port }: SecureNode): string => endpointText({ host, port });

/** Settings of a server, whose files are in `folder`. */
export function serverSettings(
  node: SecureNode,
  nodes: readonly SecureNode[],
  { folder, passwords }: { readonly folder: string; readonly passwords: Passwords },
): string {
  const { hosts, port, controllerPort, isController } = node;
  // The name of a machine may lead to loopback on that machine, so listen on all its addresses.
  const host = hosts.every(isLoopbackName) || isLoopbackName(hosts[0]) ? hosts[0] : "";
  const listeners = (at: string): string => {
    const own = `SASL_SSL://${endpointText({ host: at, port })}`;
    return isController ? `${own},CONTROLLER://${endpointText({ host: at, port: controllerPort })}` : own;
  };
  return fileOf([
    `Node ${node.id} of a cluster that samsa security init has made. It has passwords: only its owner may read it.`,
    ["node.id", String(node.id)],
    ["process.roles", isController ? "broker,controller" : "broker"],
    ["listeners", listeners(host)],
    ["advertised.listeners", listeners(hosts[0])],
    ["listener.security.protocol.map", "SASL_SSL:SASL_SSL,CONTROLLER:SSL"],
    ["inter.broker.listener.name", "SASL_SSL"],
    ["controller.listener.names", "CONTROLLER"],
    ["controller.quorum.bootstrap.servers", controllersOf(nodes).map(controllerPlace).join(",")],
    ["log.dirs", `${folder}/data`],
    "TLS",
    ["ssl.keystore.type", "PEM"],
    ["ssl.keystore.location", `${folder}/node.pem`],
    ["ssl.truststore.type", "PEM"],
    ["ssl.truststore.location", `${folder}/ca.pem`],
    "Clients and brokers log in with a password.",
    ["sasl.enabled.mechanisms", MECHANISM],
    ["sasl.mechanism.inter.broker.protocol", MECHANISM],
    [`listener.name.sasl_ssl.${MECHANISM.toLowerCase()}.sasl.jaas.config`, login(BROKER, passwords.broker)],
    "Controllers know other nodes by their certificates.",
    ["listener.name.controller.ssl.client.auth", "required"],
    ["listener.name.controller.ssl.principal.mapping.rules", `RULE:^CN=node-[0-9]+$/${BROKER}/,DEFAULT`],
    "Users may do what an ACL allows them.",
    ["authorizer.class.name", STANDARD_AUTHORIZER],
    ["super.users", `User:${ADMIN};User:${BROKER}`],
    "Replicas",
    ...replicationOf(new Map(), nodes.length),
  ]);
}

/** Settings of a client that logs in as the administrator. */
export function clientSettingsOf(nodes: readonly SecureNode[], password: string, authority: string): string {
  return fileOf([
    "Settings of clients. They have the password of the administrator: only its owner may read them.",
    ["bootstrap.servers", nodes.map(brokerPlace).join(",")],
    ["security.protocol", "SASL_SSL"],
    ["sasl.mechanism", MECHANISM],
    ["sasl.jaas.config", login(ADMIN, password)],
    ["ssl.truststore.type", "PEM"],
    ["ssl.truststore.certificates", authority],
  ]);
}
