import { KafkaError } from "@samsa/client-kernel";
import type { Admin, ClusterClient } from "@samsa/client-runtime";
import type { Argument, Arguments } from "../../flags/argparse.ts";
import { ToolError } from "../../java/exits.ts";
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
    help: "Controllers, as host:port; not available here.",
  },
  { names: ["--config"], action: "store", help: "(DEPRECATED) The same as --command-config." },
  { names: ["--command-config", "-c"], action: "store", help: "File with settings of the client." },
];
const ID: Argument = { names: ["--id", "-i"], action: "store", type: "int", isRequired: true, help: "Id of the node." };

function command(description: string, ...more: readonly Argument[]) {
  return { description, arguments: [...COMMON, ...more], requiredGroups: ["bootstrap"] };
}

async function unregister(admin: Admin, id: number): Promise<void> {
  try {
    await admin.cluster.unregisterBroker(id);
    console.log(`Broker ${id} is no longer registered.`);
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name !== "UNSUPPORTED_VERSION") throw error;
    console.log("The target cluster does not support the broker unregistration API.");
  }
}

async function listEndpoints(admin: Admin, includeFenced: boolean): Promise<void> {
  try {
    const { nodes } = await admin.cluster.describe({ includeFenced });
    const host = Math.max(...nodes.map(node => node.host.length));
    const racks = nodes.flatMap(({ rack }) => (rack === undefined ? [] : [rack.length]));
    const widths = [10, host, 10, racks.length === 0 ? 10 : Math.max(...racks), 10, 15];
    console.log(columns(widths, ["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]));
    for (const { id, host: name, port, rack, isFenced } of nodes) {
      const cells = [String(id), name, String(port), rack ?? "null", isFenced ? "fenced" : "unfenced", "broker"];
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
  } else if (args.command === "unregister") await unregister(admin, args.number("id") ?? -1);
  else if (args.command === "list-endpoints") await listEndpoints(admin, args.isTrue("include-fenced-brokers"));
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
