import { KafkaError } from "@samsa/client-kernel";
import type { Admin, ClusterClient } from "@samsa/client-runtime";
import type { Argument, Arguments } from "../../flags/argparse.ts";
import { ILLEGAL_ARGUMENT, ToolError } from "../../java/exits.ts";
import { javaMessage } from "../../java/errors.ts";
import { columns } from "../../java/text.ts";
import { apiVersionsOf } from "../../runner/api-versions.ts";
import { argTool, serversOf } from "../../runner/arg-tool.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";

const COMMON: readonly Argument[] = [
  { names: ["--bootstrap-server", "-b"], action: "store", group: "bootstrap", help: "Brokers, as host:port." },
  {
    names: ["--bootstrap-controller", "-C"],
    action: "store",
    group: "bootstrap",
    help: "Controllers instead, as host:port.",
  },
  { names: ["--config"], action: "store", help: "(DEPRECATED) The same as --command-config." },
  { names: ["--command-config", "-c"], action: "store", help: "File with settings of the client." },
];
const ID: Argument = { names: ["--id", "-i"], action: "store", type: "int", isRequired: true, help: "Id of the node." };

function command(description: string, ...more: readonly Argument[]) {
  return { description, arguments: [...COMMON, ...more], requiredGroups: ["bootstrap"] };
}

/** Removes the registration of a broker or a controller. */
async function unregister(admin: Admin, node: "Broker" | "Controller", id: number): Promise<void> {
  try {
    await (node === "Broker" ? admin.cluster.unregisterBroker(id) : admin.cluster.unregisterController(id));
    console.log(`${node} ${id} is no longer registered.`);
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name !== "UNSUPPORTED_VERSION") throw error;
    console.log(`The target cluster does not support the ${node.toLowerCase()} unregistration API.`);
  }
}

async function listEndpoints(admin: Admin, args: Arguments): Promise<void> {
  const includeFenced = args.isTrue("include-fenced-brokers");
  const isOfControllers = args.has("bootstrap-controller");
  if (includeFenced && isOfControllers) {
    const message = "The option --include-fenced-brokers is only supported with --bootstrap-server option";
    throw new ToolError(message, ILLEGAL_ARGUMENT);
  }
  try {
    const { nodes } = await admin.cluster.describe({ includeFenced });
    const host = Math.max(...nodes.map(node => node.host.length));
    const racks = nodes.flatMap(({ rack }) => (rack === undefined ? [] : [rack.length]));
    const rackWidth = racks.length === 0 ? 10 : Math.max(...racks);
    const state = (text: string): string[] => (isOfControllers ? [] : [text]);
    const widths = [10, host, 10, rackWidth, ...(isOfControllers ? [] : [10]), 15];
    console.log(columns(widths, ["ID", "HOST", "PORT", "RACK", ...state("STATE"), "ENDPOINT_TYPE"]));
    for (const { id, host: name, port, rack, isFenced } of nodes) {
      const type = isOfControllers ? "controller" : "broker";
      const cells = [String(id), name, String(port), rack ?? "null", ...state(isFenced ? "fenced" : "unfenced"), type];
      console.log(columns(widths, cells));
    }
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name !== "UNSUPPORTED_VERSION") throw error;
    console.log(javaMessage(error));
  }
}

async function act(admin: Admin, client: ClusterClient, args: Arguments): Promise<void> {
  if (args.command === "cluster-id") {
    const { clusterId } = await admin.cluster.describe();
    console.log(`Cluster ID: ${clusterId}`);
  } else if (args.command === "unregister") await unregister(admin, "Broker", args.number("id") ?? -1);
  else if (args.command === "unregister-controller") await unregister(admin, "Controller", args.number("id") ?? -1);
  else if (args.command === "list-endpoints") await listEndpoints(admin, args);
  else console.log(await apiVersionsOf(client));
}

/** kafka-cluster (`ClusterTool`). */
export const kafkaCluster = argTool({
  prog: "kafka-cluster",
  table: {
    description: "Tells about a cluster.",
    arguments: [],
    commands: {
      "cluster-id": command("Show the id of the cluster."),
      unregister: command("Remove the registration of a broker.", ID),
      "unregister-controller": command("Remove the registration of a controller.", ID),
      "list-endpoints": command("List the addresses of the brokers.", {
        names: ["--include-fenced-brokers"],
        action: "true",
        help: "Also those of fenced brokers.",
      }),
      "api-versions": command("Show the APIs of the brokers."),
    },
  },
  run: async args => {
    if (args.has("config") && args.has("command-config")) {
      throw new ToolError("--config and --command-config cannot be specified together.");
    }
    if (args.has("config")) {
      console.log(
        "Option --config has been deprecated and will be removed in a future version. Use --command-config instead.",
      );
    }
    const properties = loadProperties(args.text("config") ?? args.text("command-config"));
    await withAdmin(serversOf(args), properties, (admin, client) => act(admin, client, args));
    return 0;
  },
});
