import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entryAt, ignored, ZERO_UUID } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import type { ResponseOf } from "@samsa/wire";
import { connect } from "../differential/connection.ts";
import { run } from "../processes/child.ts";
import { until } from "../processes/until.ts";
import { freePort } from "../processes/free-port.ts";
import { findJava, findSamsa } from "../processes/runtimes.ts";
import { type ClusterSecurity, wireSecurity } from "./cluster-security.ts";
import { kafkaProgram, MixedNode, type NodePlan, type Programs } from "./mixed-node.ts";

type QuorumState = ResponseOf<"DescribeQuorum">["topics"][number]["partitions"][number];

const CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ";
const TOOL_MS = 60_000;

/** Settings of all nodes, with time-outs short enough for a test. */
const SETTINGS = [
  "broker.heartbeat.interval.ms=500",
  "broker.session.timeout.ms=3000",
  "replica.lag.time.max.ms=5000",
  "offsets.topic.num.partitions=3",
  "transaction.state.log.num.partitions=3",
  "share.coordinator.state.topic.num.partitions=1",
  "group.initial.rebalance.delay.ms=0",
  "auto.create.topics.enable=false",
];

/** Wish for a cluster. */
export interface ClusterPlan {
  readonly nodes: readonly NodePlan[];
  /** `fixed`: voters are settings of all nodes; `changing`: they are records of the metadata (KIP-853). */
  readonly voters: "fixed" | "changing";
  readonly settings?: readonly string[];
  /** TLS, passwords and an authorizer; clear text without them. */
  readonly security?: ClusterSecurity | undefined;
  /** Puts something in front of a listener of node `id`, and returns the address at which others then reach it. */
  readonly front?: (id: number, listener: string) => Promise<string>;
}

async function placeOf({ id, roles }: NodePlan, front: ClusterPlan["front"]) {
  const listen = async (role: "broker" | "controller") =>
    roles.includes(role) ? `127.0.0.1:${await freePort()}` : undefined;
  const reach = async (own: string | undefined) =>
    own === undefined || front === undefined ? own : await front(id, own);
  const own = { broker: await listen("broker"), controller: await listen("controller") };
  return { id, own, broker: await reach(own.broker), controller: await reach(own.controller) };
}

/** First voters, each with an id for its directory. */
function firstVoters(
  nodes: readonly NodePlan[],
  places: readonly { id: number; controller: string | undefined }[],
): string {
  return places
    .filter(({ id }) => nodes.find(node => node.id === id)?.isVoter === true)
    .map(({ id, controller }) => `${id}@${controller}:${randomBytes(16).toString("base64url")}`)
    .join(",");
}

/** Processes of both vendors that form one cluster. */
export class MixedCluster {
  readonly nodes: readonly MixedNode[];
  readonly #programs: Programs;
  readonly #home: string;
  readonly #security: ClusterSecurity | undefined;

  private constructor(nodes: readonly MixedNode[], programs: Programs, home: string, security?: ClusterSecurity) {
    this.nodes = nodes;
    this.#programs = programs;
    this.#home = home;
    this.#security = security;
  }

  /** Formats all directories, and starts the controllers, then the brokers, all but those that are late. */
  static async start(plan: ClusterPlan): Promise<MixedCluster> {
    const cluster = await MixedCluster.form(plan);
    try {
      const isController = (node: MixedNode): boolean => node.controller !== undefined;
      const early = cluster.nodes.filter(({ plan: { isLate } }) => isLate !== true);
      await Promise.all(early.filter(isController).map(node => node.start()));
      await Promise.all(early.filter(node => !isController(node)).map(node => node.start()));
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  /** Formats all directories. */
  static async form(plan: ClusterPlan): Promise<MixedCluster> {
    // The tools of a cluster without nodes of Kafka need Java only when they are used.
    const programs = { java: await findJava(), samsa: await findSamsa() };
    const home = mkdtempSync(join(tmpdir(), "mixed-interop-"));
    const { security } = plan;
    const places = await Promise.all(plan.nodes.map(node => placeOf(node, plan.front)));
    const controllers = places.filter(({ controller }) => controller !== undefined);
    const quorum =
      plan.voters === "fixed"
        ? `controller.quorum.voters=${controllers.map(({ id, controller }) => `${id}@${controller}`).join(",")}`
        : `controller.quorum.bootstrap.servers=${controllers.map(({ controller }) => controller).join(",")}`;
    const settings = [...SETTINGS, quorum, ...(plan.settings ?? [])];
    const voters = firstVoters(plan.nodes, controllers);
    const nodes = plan.nodes.map((node, index) => {
      const place = { ...entryAt(places, index), home, clusterId: CLUSTER_ID, settings, voters, security };
      return new MixedNode(node, programs, place);
    });
    const cluster = new MixedCluster(nodes, programs, home, security);
    try {
      await Promise.all(nodes.map(node => node.format()));
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
    return cluster;
  }

  node(id: number): MixedNode {
    const found = this.nodes.find(node => node.id === id);
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  }

  /** Addresses of the running brokers. */
  get brokers(): string {
    return this.nodes.flatMap(({ broker, isRunning }) => (isRunning && broker !== undefined ? [broker] : [])).join(",");
  }

  /** Addresses of the running controllers. */
  get controllers(): string {
    return this.nodes
      .flatMap(({ controller, isRunning }) => (isRunning && controller !== undefined ? [controller] : []))
      .join(",");
  }

  /** Sends a request to a node as the administrator, to its broker if it has one. */
  async ask<N extends ApiName>(id: number, api: N, version: number, body: object): Promise<ResponseOf<N>> {
    const { broker, controller } = this.node(id);
    const login = this.#security?.client(this.#security.admin);
    const connection = await connect(broker ?? controller ?? "", login && { security: wireSecurity(login) });
    try {
      return await connection.ask(api, version, body);
    } finally {
      connection.close();
    }
  }

  /** State of the quorum as a node tells it, which must be a broker or the active controller. */
  async quorum(id: number): Promise<QuorumState> {
    const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }];
    const { topics: answers } = await this.ask(id, "DescribeQuorum", 2, { topics });
    const state = answers[0]?.partitions[0];
    if (state === undefined || state.errorCode !== 0) throw new Error(`node ${id} has no quorum: ${state?.errorCode}`);
    return state;
  }

  /** Waits until all partitions of a topic have a leader and `replicas` members of the ISR, as a broker tells it. */
  async inSync(id: number, topic: string, replicas: number): Promise<void> {
    await until(`all ${replicas} replicas of ${topic} in sync`, async () => {
      const { topics } = await this.ask(id, "Metadata", 12, { topics: [{ topicId: ZERO_UUID, name: topic }] });
      const partitions = topics[0]?.partitions ?? [];
      return partitions.length > 0 && partitions.every(one => one.leaderId >= 0 && one.isrNodes.length === replicas);
    });
  }

  /** Runs one of Kafka's programs to its end; returns what it prints. */
  async tool(main: string, ...args: readonly string[]): Promise<string> {
    const { command, args: all } = kafkaProgram(this.#programs, main, ...args);
    return (await run(command, all, { deadlineMs: TOOL_MS })).join("\n");
  }

  /** Standard error of all nodes. */
  log(): string {
    return this.nodes
      .map(node => `--- node ${node.id} (${node.plan.vendor}, ${node.plan.roles})\n${node.log()}`)
      .join("\n");
  }

  /** Kills all nodes and removes their directories. */
  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill().catch(ignored("the directory is removed in any case"))));
    rmSync(this.#home, { recursive: true, force: true });
  }
}
