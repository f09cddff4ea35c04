import { COMMON_FLAGS, type Flag, option } from "../../flags/flag.ts";
import { apiVersionsOf } from "../../runner/api-versions.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, printJavaMessage } from "../../runner/jopt-tool.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  "command-config": option("command config property file", "File with settings of the client."),
  "bootstrap-server": option("server(s) to use for bootstrapping", "REQUIRED: brokers, as host:port."),
} as const satisfies Readonly<Record<string, Flag>>;

/** kafka-broker-api-versions (`BrokerApiVersionsCommand`). */
export const kafkaBrokerApiVersions = joptTool<keyof typeof FLAGS>({
  about: "Shows the APIs of the brokers with their versions.",
  flags: FLAGS,
  mistakes: "failed",
  run: async chosen => {
    chosen.require("bootstrap-server");
    const properties = loadProperties(chosen.text("command-config"));
    await withAdmin(chosen.text("bootstrap-server"), properties, async (_admin, client) => {
      console.log(await apiVersionsOf(client));
    });
    return 0;
  },
  failed: printJavaMessage,
});
