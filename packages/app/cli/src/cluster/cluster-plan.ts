import { type BrokerId, entryAt, parseConfig } from "@samsa/base";
import { brokerConfigs, parseEndpoint } from "@samsa/broker";
import { endpointText } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";

/** Address of a controller. */
export interface ControllerPlace {
  readonly id: BrokerId;
  readonly host: string;
  readonly port: number;
}

/** Settings of a node of a cluster on one machine. */
export interface NodePlan {
  readonly id: BrokerId;
  readonly isController: boolean;
  /** Settings that differ from those of the user. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Nodes of a cluster on one machine, by ascending id from 1. */
export interface ClusterPlan {
  readonly controllers: readonly ControllerPlace[];
  readonly nodes: readonly NodePlan[];
}

/** Size of a cluster, and the environment that its settings depend on. */
export interface ClusterShape {
  readonly brokers: number;
  readonly controllers: number;
  /** Rack of the nodes unless the settings name one. */
  readonly hostName: string;
  /** Controllers of a cluster that exists; their addresses stay. */
  readonly known?: readonly ControllerPlace[];
}

/** Settings that name the other nodes of a cluster. */
export const QUORUM: readonly string[] = ["controller.quorum.voters", "controller.quorum.bootstrap.servers"];

/** Settings that the plan chooses for each node. */
export const CHOSEN: readonly string[] = ["node.id", "process.roles", ...QUORUM];

/** Replicas of internal topics. */
export const INTERNAL_FACTORS = [
  "offsets.topic.replication.factor",
  "transaction.state.log.replication.factor",
  "share.coordinator.state.topic.replication.factor",
] as const;
/** Least number of replicas in sync of internal topics. */
const INTERNAL_IN_SYNC = ["transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"];
const FACTORS = ["default.replication.factor", ...INTERNAL_FACTORS];
const LEAST_IN_SYNC = ["min.insync.replicas", ...INTERNAL_IN_SYNC];
const DIRECTORIES = ["log.dirs", "metadata.log.dir", "cordoned.log.dirs"];

/** Replicas of a topic, as many as there are brokers up to this number. */
const MOST_REPLICAS = 3;
/** Port of the first controller. */
const CONTROLLER_PORT = 19092;
const MOST_PORT = 65535;
/** Largest number of brokers on one machine. */
const MOST_BROKERS = 100;

/** Reads the options `--brokers` and `--controllers`. By default, three controllers if there are as many brokers. */
export function clusterSize(brokers: string, controllers?: string): Pick<ClusterShape, "brokers" | "controllers"> {
  const count = /^\d{1,4}$/.test(brokers) ? Number(brokers) : 0;
  if (count < 1 || count > MOST_BROKERS) {
    throw new Failure(`--brokers wants a number from 1 to ${MOST_BROKERS}, not "${brokers}"`);
  }
  const wanted = controllers ?? (count >= 3 ? "3" : "1");
  if (wanted !== "1" && wanted !== "3") throw new Failure(`--controllers wants 1 or 3, not "${wanted}"`);
  if (Number(wanted) > count) {
    throw new Failure(`--controllers ${wanted} wants as many brokers: ${count} of them cannot hold that many`);
  }
  return { brokers: count, controllers: Number(wanted) };
}

type Listener = ReturnType<typeof parseEndpoint>;

function parseListeners(setting: string, texts: readonly string[]): Listener[] {
  return texts.map(text => parseEndpoint(setting, text));
}

/** Address of the same listener of the node `id`. Port 0 stands for any free port. */
function counted({ name, host, port }: Listener, id: BrokerId): string {
  return `${name}://${endpointText({ host, port: port === 0 ? 0 : port + id - 1 })}`;
}

/** Places of the controllers that the listener settings name, or else those from port 19092 on. */
function placeControllers(first: Listener, { controllers }: ClusterShape): ControllerPlace[] {
  if (first.port === 0) {
    throw new Failure(`listeners: the ports of controllers must be known, so ${first.name} cannot have port 0`);
  }
  const isWildcard = ["", "0.0.0.0", "::"].includes(first.host);
  const host = isWildcard ? "localhost" : first.host;
  return Array.from({ length: controllers }, (_, i) => ({ id: i + 1, host, port: first.port + i }));
}

/** `controller.quorum.bootstrap.servers` of the nodes. */
export function bootstrapServers(controllers: readonly ControllerPlace[]): string {
  return controllers.map(endpointText).join(",");
}

function checkPorts(texts: readonly string[]): void {
  const taken = new Map<number, string>();
  for (const text of texts) {
    const port = Number(text.slice(text.lastIndexOf(":") + 1));
    const other = taken.get(port);
    if (port > MOST_PORT) throw new Failure(`listeners: the ports counted up from those given end above ${MOST_PORT}`);
    if (port !== 0 && other !== undefined) {
      throw new Failure(
        `listeners: ${other} and ${text} of another node have the same port, as ports are counted up for each node; ` +
          "leave as many ports between the listeners as there are brokers",
      );
    }
    taken.set(port, text);
  }
}

/**
 * Plans the nodes of a cluster on one machine from the settings of the user: ids from 1, ports and directories counted
 * up, both roles for the first nodes, replicas on as many brokers as there are up to 3. Throws `Failure` and
 * `ConfigError`.
 */
export function planCluster(settings: ReadonlyMap<string, string>, shape: ClusterShape): ClusterPlan {
  // Report faults of the settings before anything is done.
  const config = parseConfig(brokerConfigs, name => (CHOSEN.includes(name) ? undefined : settings.get(name)));
  const names = config["controller.listener.names"].map(name => name.toUpperCase());
  const listeners = parseListeners("listeners", config.listeners);
  const name = entryAt(names, 0);
  const first = listeners.find(listener => listener.name === name);
  const fallback = { name, host: listeners[0]?.host ?? "", port: CONTROLLER_PORT };
  const controllers = shape.known ?? placeControllers(first ?? fallback, shape);
  const range = controllers.map(({ port }) => port).join(", ");
  if (first !== undefined && first.port !== controllers[0]?.port) {
    throw new Failure(`listeners: the controllers of this cluster have the ports ${range}; leave out ${name}`);
  }
  const givens = {
    advertised: parseListeners("advertised.listeners", config["advertised.listeners"] ?? []),
    listeners,
  };
  const nodes = Array.from({ length: shape.brokers }, (_, i): NodePlan => {
    const id = i + 1;
    const place = controllers.find(controller => controller.id === id);
    return {
      id,
      isController: place !== undefined,
      settings: new Map([
        ["node.id", String(id)],
        ["process.roles", place === undefined ? "broker" : "broker,controller"],
        ...optional("controller.quorum.voters", settings.has("controller.quorum.voters") ? "" : undefined),
        ["controller.quorum.bootstrap.servers", bootstrapServers(controllers)],
        ...listenersOf(id, givens, { names, place }),
        ...directoriesOf(settings, id),
        ...replicationOf(settings, shape.brokers),
        ...optional("broker.rack", settings.has("broker.rack") ? undefined : shape.hostName),
      ]),
    };
  });
  checkPorts(nodes.flatMap(node => (node.settings.get("listeners") ?? "").split(",")));
  return { controllers, nodes };
}

function optional(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]];
}

/** Listeners of a node: those given, counted up, without those of controllers if it is none. */
function listenersOf(
  id: BrokerId,
  { listeners, advertised }: Readonly<Record<"listeners" | "advertised", readonly Listener[]>>,
  { names, place }: { readonly names: readonly string[]; readonly place: ControllerPlace | undefined },
): [string, string][] {
  const [name] = names;
  const isServed = (listener: Listener): boolean => place !== undefined || !names.includes(listener.name);
  const countedAll = (all: readonly Listener[]): string[] =>
    all.filter(isServed).map(listener => counted(listener, id));
  const own = place === undefined ? [] : [`${name}://${endpointText(place)}`];
  const hasOwn = listeners.some(listener => listener.name === name);
  const told = countedAll(advertised);
  return [
    ["listeners", [...countedAll(listeners), ...(hasOwn ? [] : own)].join(",")],
    ...optional("advertised.listeners", told.length === 0 ? undefined : told.join(",")),
  ];
}

/** Directories of a node: the folder with its id in each directory of the settings. */
function directoriesOf(settings: ReadonlyMap<string, string>, id: BrokerId): [string, string][] {
  return DIRECTORIES.flatMap((name): [string, string][] => {
    const value = settings.get(name)?.trim() ?? "";
    if (value === "" || value === "*") return [];
    return [
      [
        name,
        value
          .split(",")
          .map(path => `${path}/${id}`)
          .join(","),
      ],
    ];
  });
}

/** Replication factors and least numbers of replicas in sync that the user leaves to the plan. */
export function replicationOf(settings: ReadonlyMap<string, string>, brokers: number): [string, string][] {
  const values: [string, string][] = [
    ...FACTORS.map((name): [string, string] => [name, String(Math.min(MOST_REPLICAS, brokers))]),
    ...LEAST_IN_SYNC.map((name): [string, string] => [
      name,
      brokers >= MOST_REPLICAS ? String(MOST_REPLICAS - 1) : "1",
    ]),
  ];
  return values.filter(([name]) => !settings.has(name));
}

/**
 * Settings of a node that is started by itself. A node whose settings name no quorum is the whole cluster, so the
 * internal topics have one replica instead of Kafka's three.
 */
export function ofOneNode(settings: ReadonlyMap<string, string>): Map<string, string> {
  const hasQuorum = QUORUM.some(name => (settings.get(name) ?? "") !== "");
  const single = [...INTERNAL_FACTORS, ...INTERNAL_IN_SYNC].map((name): [string, string] => [name, "1"]);
  return new Map([...(hasQuorum ? [] : single), ...settings]);
}
