import { KafkaError } from "@samsa/client-kernel";
import type { Admin, FeatureUpdate } from "@samsa/client-runtime";
import { METADATA_VERSION_FEATURE } from "@samsa/metadata";
import type { Argument, Arguments, ArgumentTable } from "../../flags/argparse.ts";
import { ToolError } from "../../java/exits.ts";
import { javaMessage } from "../../java/errors.ts";
import { argTool, BOOTSTRAP, COMMAND_CONFIG, serversOf } from "../../runner/arg-tool.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { dependencies, levelOfRelease, levelsOf, nameAndLevel, releaseOf, versionMapping } from "./feature-levels.ts";

const FEATURE: Argument = {
  names: ["--feature"],
  action: "append",
  help: "Feature and its level, as in metadata.version=21; may be repeated.",
};
const DRY_RUN: Argument = { names: ["--dry-run"], action: "true", help: "Check the change, and do not make it." };
const UNSAFE: Argument = { names: ["--unsafe"], action: "true", help: "Allow a change that loses metadata." };
const RELEASE: Argument = { names: ["--release-version"], action: "store", help: "Release whose levels are wanted." };
const METADATA: Argument = {
  names: ["--metadata"],
  action: "store",
  help: "(DEPRECATED) Level of the metadata, as 3.9.",
};

const TABLE: ArgumentTable = {
  description: "Shows and changes the features of a cluster.",
  arguments: [...BOOTSTRAP, COMMAND_CONFIG],
  commands: {
    describe: {
      description: "Show the levels of features.",
      arguments: [{ names: ["--node-id"], action: "store", type: "int", help: "Node to ask." }],
    },
    upgrade: { description: "Raise levels.", arguments: [METADATA, RELEASE, FEATURE, DRY_RUN] },
    downgrade: { description: "Lower levels.", arguments: [METADATA, RELEASE, FEATURE, UNSAFE, DRY_RUN] },
    disable: {
      description: "Set levels to 0.",
      arguments: [{ ...FEATURE, help: "Feature; may be repeated." }, UNSAFE, DRY_RUN],
    },
    "version-mapping": { description: "Show the levels of features of a release.", arguments: [RELEASE] },
    "feature-dependencies": {
      description: "Show what levels of features need.",
      arguments: [{ ...FEATURE, isRequired: true }],
    },
  },
};

function levelText(feature: string, level: number): string {
  if (feature !== METADATA_VERSION_FEATURE) return String(level);
  return releaseOf(level) ?? `UNKNOWN ${level}`;
}

async function describe(admin: Admin, args: Arguments): Promise<void> {
  const node = args.number("node-id");
  if (node !== undefined && node < 0) throw new ToolError(`Invalid node id ${node}: must be non-negative.`);
  const { epoch, features } = await admin.cluster.describeFeatureState(node === undefined ? {} : { node });
  for (const feature of [...features.keys()].sort()) {
    const { minSupported = 0, maxSupported = 0, finalized = 0 } = features.get(feature) ?? {};
    const [low, high, level] = [minSupported, maxSupported, finalized].map(one => levelText(feature, one).padEnd(15));
    console.log(
      `Feature: ${feature.padEnd(40)}  SupportedMinVersion: ${low}  SupportedMaxVersion: ${high}  FinalizedVersionLevel: ${level}  Epoch: ${epoch < 0 ? "-" : epoch}`,
    );
  }
}

type UpdateType = NonNullable<FeatureUpdate["type"]>;

function updatesOf(args: Arguments, type: UpdateType): Map<string, number> {
  const [metadata, features, release] = [args.text("metadata"), args.texts("feature"), args.text("release-version")];
  const updates = new Map<string, number>();
  if (release !== undefined) {
    if (metadata !== undefined || features.length > 0) {
      throw new ToolError("Can not specify `release-version` with other feature flags.");
    }
    const level = levelOfRelease(release);
    updates.set(METADATA_VERSION_FEATURE, level);
    for (const [name, each] of levelsOf(level)) if (type !== "upgrade" || each > 0) updates.set(name, each);
    return updates;
  }
  if (metadata !== undefined) {
    console.log(" `metadata` flag is deprecated and may be removed in a future release.");
    updates.set(METADATA_VERSION_FEATURE, levelOfRelease(metadata));
  }
  for (const [name, level] of features.map(nameAndLevel)) {
    if (updates.has(name)) throw new ToolError(`Feature ${name} was specified more than once.`);
    updates.set(name, level);
  }
  return updates;
}

function disabled(args: Arguments): Map<string, number> {
  const names = args.texts("feature");
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new ToolError(`Feature ${twice} was specified more than once.`);
  return new Map(names.map(name => [name, 0]));
}

async function update(admin: Admin, args: Arguments): Promise<void> {
  const op = args.command ?? "";
  const type = op === "upgrade" ? "upgrade" : args.isTrue("unsafe") ? "unsafe-downgrade" : "safe-downgrade";
  const updates = op === "disable" ? disabled(args) : updatesOf(args, type);
  if (updates.size === 0) throw new ToolError(`You must specify at least one feature to ${op}`);
  const validateOnly = args.isTrue("dry-run");
  let failure: KafkaError | undefined;
  try {
    const changes = Object.fromEntries([...updates].map(([name, level]) => [name, { level, type }] as const));
    await admin.cluster.updateFeatures(changes, { validateOnly });
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    failure = error;
  }
  for (const feature of [...updates.keys()].sort()) {
    const level = updates.get(feature) ?? 0;
    if (failure !== undefined) {
      const what = op === "disable" ? `disable ${feature}` : `${op} ${feature} to ${level}`;
      console.log(`${validateOnly ? "Can not " : "Could not "}${what}. ${javaMessage(failure)}`);
    } else {
      console.log(
        `${feature}${validateOnly ? " can be " : " was "}${op === "disable" ? "disabled." : `${op}d to ${level}.`}`,
      );
    }
  }
  if (failure !== undefined) throw new ToolError(`${updates.size} out of ${updates.size} operation(s) failed.`);
}

/** kafka-features (`FeatureCommand`). */
export const kafkaFeatures = argTool({
  prog: "kafka-features",
  table: TABLE,
  mistaken: error => process.stderr.write(`Command line error: ${error.message}. Type --help for help.`),
  run: async args => {
    if (args.command === "version-mapping") versionMapping(args.text("release-version"));
    else if (args.command === "feature-dependencies") dependencies(args.texts("feature").map(nameAndLevel), "features");
    else {
      const properties = loadProperties(args.text("command-config"));
      if (!args.has("bootstrap-server") && !args.has("bootstrap-controller")) {
        const message = "You must specify either --bootstrap-controller or --bootstrap-server.";
        process.stderr.write(`Command line error: ${message}. Type --help for help.`);
        return 1;
      }
      const act = args.command === "describe" ? describe : update;
      await withAdmin(serversOf(args), properties, admin => act(admin, args));
    }
    return 0;
  },
});
