import type { Argument, Arguments, ArgumentTable } from "../../flags/argparse.ts";
import { ToolError } from "../../java/exits.ts";
import { argTool } from "../../runner/arg-tool.ts";
import { format, info, printUuid } from "../../../commands/storage.ts";
import { dependencies, levelOfRelease, nameAndLevel, versionMapping } from "./feature-levels.ts";

const CONFIG: Argument = {
  names: ["--config", "-c"],
  action: "store",
  isRequired: true,
  help: "Configuration of the node: server.properties.",
};
const RELEASE: Argument = {
  names: ["--release-version", "-r"],
  action: "store",
  help: "Release whose levels of features are meant.",
};

const TABLE: ArgumentTable = {
  description: "Formats log directories and describes them.",
  arguments: [],
  commands: {
    info: { description: "Describe the log directories of a node.", arguments: [CONFIG] },
    format: {
      description: "Format the log directories of a node.",
      arguments: [
        CONFIG,
        { names: ["--cluster-id", "-t"], action: "store", isRequired: true, help: "Id of the cluster." },
        {
          names: ["--add-scram", "-S"],
          action: "append",
          help: "Credential of a user: SCRAM-SHA-256=[name=alice,password=secret]; may be repeated.",
        },
        { names: ["--ignore-formatted", "-g"], action: "true", help: "Skip directories that are formatted." },
        RELEASE,
        { names: ["--feature", "-f"], action: "append", help: "Level of a feature, as in kraft.version=1." },
        { names: ["--standalone", "-s"], action: "true", group: "quorum", help: "Make this node the only voter." },
        {
          names: ["--no-initial-controllers", "-N"],
          action: "true",
          group: "quorum",
          help: "Format without voters, to join a quorum.",
        },
        {
          names: ["--initial-controllers", "-I"],
          action: "store",
          group: "quorum",
          help: "First voters: id@host:port:directory, separated by commas.",
        },
      ],
    },
    "version-mapping": { description: "Show the levels of features of a release.", arguments: [RELEASE] },
    "feature-dependencies": {
      description: "Show what levels of features need.",
      arguments: [{ names: ["--feature", "-f"], action: "append", isRequired: true, help: "Feature and its level." }],
    },
    "random-uuid": { description: "Print a random id.", arguments: [] },
  },
};

async function formatDirectories(args: Arguments): Promise<void> {
  const [releaseVersion, controllers] = [args.text("release-version"), args.text("initial-controllers")];
  if (releaseVersion !== undefined) levelOfRelease(releaseVersion);
  const initialControllers = controllers ?? (args.isTrue("no-initial-controllers") ? false : undefined);
  await format({
    clusterId: args.text("cluster-id") ?? "",
    config: args.text("config") ?? "",
    ignoreFormatted: args.isTrue("ignore-formatted"),
    standalone: args.isTrue("standalone"),
    feature: args.texts("feature").map(text => nameAndLevel(text).join("=")),
    addScram: args.texts("add-scram"),
    ...(initialControllers === undefined ? {} : { initialControllers }),
    ...(releaseVersion === undefined ? {} : { releaseVersion }),
  });
}

/** Feature and level of an argument, with the words of this tool for a mistake. */
function featureOf(text: string): readonly [string, number] {
  const at = text.indexOf("=");
  if (at < 0) {
    throw new ToolError(`Invalid feature format: ${text}. Expected format: 'feature=version' (e.g. 'group.version=1')`);
  }
  const [name, level] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  try {
    return nameAndLevel(text);
  } catch {
    throw new ToolError(`Invalid version format: ${level} for feature ${name}`);
  }
}

/** kafka-storage (`StorageTool`). */
export const kafkaStorage = argTool({
  prog: "kafka-storage",
  table: TABLE,
  run: async args => {
    const { command } = args;
    let code = 0;
    if (command === "info") code = info({ config: args.text("config") ?? "" });
    else if (command === "format") await formatDirectories(args);
    else if (command === "version-mapping") versionMapping(args.text("release-version"));
    else if (command === "feature-dependencies") dependencies(args.texts("feature").map(featureOf), "storage");
    else printUuid();
    return code;
  },
});
