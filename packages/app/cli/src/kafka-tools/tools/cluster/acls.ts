import { createInterface } from "node:readline";
import { KafkaError } from "@samsa/client-kernel";
import type { Acl, Admin } from "@samsa/client-runtime";
import { CLUSTER_NAME } from "@samsa/security";
import { operationOf, OPERATIONS, operationsOn, type Resource, ROLES } from "../../../settings/acl-words.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { javaText, wrappedText } from "../../java/errors.ts";
import { pascalCase } from "../../java/text.ts";
import { ILLEGAL_ARGUMENT, OptionError, ToolError, UsageError } from "../../java/exits.ts";
import { chosenServers, loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, thrownText } from "../../runner/jopt-tool.ts";

const PATTERNS = ["ANY", "MATCH", "LITERAL", "PREFIXED"] as const;
const NAMES = OPERATIONS.map(name => `\n\t${pascalCase(name)}`).join("");

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server to connect to", "Brokers, as host1:port1,host2:port2."),
  "bootstrap-controller": option("controller to connect to", "Controllers, as host1:port1,host2:port2."),
  "command-config": option("command-config", "File with settings of the client.", { isOptional: true }),
  topic: option("topic", "Topic of the ACLs; '*' stands for all. May be repeated."),
  cluster: toggle("The cluster is the resource of the ACLs."),
  group: option("group", "Group of the ACLs; '*' stands for all. May be repeated."),
  "transactional-id": option("transactional-id", "Transactional id of the ACLs; '*' stands for all. May be repeated."),
  idempotent: toggle("With --producer: allow idempotent writes, which a transactional id implies."),
  "delegation-token": option("delegation-token", "Delegation token of the ACLs; '*' stands for all. May be repeated."),
  "user-principal": option("user-principal", "User of the ACLs, for CreateTokens and DescribeTokens. May be repeated."),
  "resource-pattern-type": option(
    "ANY|MATCH|LITERAL|PREFIXED",
    "How the ACLs name their resource: literal or prefixed. To list or remove: also any for the exact name, or match for all that apply to it.",
    { preset: "LITERAL" },
  ),
  add: toggle("Add ACLs."),
  remove: toggle("Remove ACLs."),
  list: toggle("List ACLs, of all resources or those that are named."),
  operation: option("String", `Operation that is allowed or denied; may be repeated:${NAMES}`, { preset: "All" }),
  "allow-principal": option("allow-principal", "Who is allowed, as User:name; User:* is everyone. May be repeated."),
  "deny-principal": option("deny-principal", "Who is denied, whatever others allow. May be repeated."),
  principal: option("principal", "With --list: whose ACLs to list. May be repeated.", { isOptional: true }),
  "allow-host": option("allow-host", "Address from which --allow-principal is allowed; default: all."),
  "deny-host": option("deny-host", "Address from which --deny-principal is denied; default: all."),
  producer: toggle("Allow what a producer needs: Write, Describe and Create on the topic."),
  consumer: toggle("Allow what a consumer needs: Read and Describe on the topic, Read on the group."),
  force: toggle("Ask no questions before a removal."),
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;
type Pattern = (typeof PATTERNS)[number];

/** Resources that ACLs are on (`ResourcePatternFilter`). */
interface Place {
  readonly resourceType: Resource;
  readonly resourceName: string;
  readonly pattern: Pattern;
}

/** Rights that an ACL gives or denies (`AccessControlEntry`). */
type Entry = Required<Pick<Acl, "principal" | "host" | "operation" | "permission">>;
type Bound = readonly [place: Place, entries: readonly Entry[]];

function placeText({ resourceType, resourceName, pattern }: Pick<Acl, "resourceType" | "resourceName" | "pattern">) {
  return `ResourcePattern(resourceType=${resourceType}, name=${resourceName}, patternType=${pattern})`;
}

function entryText({
  principal,
  host,
  operation,
  permission,
}: Pick<Acl, "principal" | "host" | "operation" | "permission">) {
  return `(principal=${principal}, host=${host}, operation=${operation}, permissionType=${permission})`;
}

/** Entries below each other; Kafka puts a space before the first. */
const entriesText = (entries: readonly Entry[]): string => entries.map(entry => `\t${entryText(entry)}`).join("\n");

function check(chosen: Chosen<Name>): void {
  const servers = ["bootstrap-server", "bootstrap-controller"] as const;
  const given = servers.filter(name => chosen.has(name));
  if (given.length > 1) {
    throw new UsageError("Only one of --bootstrap-server or --bootstrap-controller must be specified");
  }
  if (given.length === 0) throw new UsageError("One of --bootstrap-server or --bootstrap-controller must be specified");
  if ((["add", "remove", "list"] as const).filter(name => chosen.has(name)).length !== 1) {
    throw new UsageError("Command must include exactly one action: --list, --add, --remove. ");
  }
  chosen.exclude("list", ["producer", "consumer", "allow-host", "allow-principal", "deny-host", "deny-principal"]);
  chosen.exclude("producer", ["operation", "deny-principal", "deny-host"]);
  chosen.exclude("consumer", ["operation", "deny-principal", "deny-host"]);
  if (chosen.has("principal") && !chosen.has("list")) {
    throw new UsageError("The --principal option is only available if --list is set");
  }
  if (chosen.has("producer") && !chosen.has("topic")) {
    throw new UsageError("With --producer you must specify a --topic");
  }
  if (chosen.has("idempotent") && !chosen.has("producer")) {
    throw new UsageError("The --idempotent option is only available if --producer is set");
  }
  const isAlone = !chosen.has("producer") && chosen.has("cluster", "transactional-id");
  if (chosen.has("consumer") && (!chosen.has("topic") || !chosen.has("group") || isAlone)) {
    throw new UsageError(
      "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id option should be specified.",
    );
  }
}

function patternOf(chosen: Chosen<Name>): Pattern {
  const text = chosen.text("resource-pattern-type") ?? "";
  const pattern = PATTERNS.find(each => each === text.toUpperCase());
  if (pattern !== undefined) return pattern;
  const message = `Cannot parse argument '${text}' of option resource-pattern-type`;
  throw new OptionError("OptionArgumentConversionException", message);
}

const RESOURCES = [
  ["topic", "TOPIC"],
  ["group", "GROUP"],
  ["transactional-id", "TRANSACTIONAL_ID"],
  ["delegation-token", "DELEGATION_TOKEN"],
  ["user-principal", "USER"],
] as const;

const CLUSTER: Place = { resourceType: "CLUSTER", resourceName: CLUSTER_NAME, pattern: "LITERAL" };

/** Places that the options name, each once. Throws `UsageError` if they name none, unless all are meant then. */
function placesOf(chosen: Chosen<Name>, isAllMeant: boolean): Place[] {
  const pattern = patternOf(chosen);
  const named = RESOURCES.flatMap(([flag, resourceType]): Place[] =>
    chosen.texts(flag).map(text => {
      // Only the names of transactional ids keep their spaces.
      return { resourceType, resourceName: flag === "transactional-id" ? text : text.trim(), pattern };
    }),
  );
  const isCluster = pattern === "LITERAL" && chosen.has("cluster", "idempotent");
  const places = new Map([...named, ...(isCluster ? [CLUSTER] : [])].map(place => [placeText(place), place]));
  if (places.size === 0 && !isAllMeant) {
    throw new UsageError(
      "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or --delegation-token <Delegation Token ID>",
    );
  }
  return [...places.values()];
}

function principalsOf(chosen: Chosen<Name>, flag: "allow-principal" | "deny-principal" | "principal"): string[] {
  const principals = chosen.texts(flag).map(text => text.trim());
  const wrong = principals.find(text => !text.includes(":"));
  if (wrong === undefined) return [...new Set(principals)];
  throw new ToolError(`expected a string in format principalType:principalName but got ${wrong}`, ILLEGAL_ARGUMENT);
}

/** Entries that the options describe, for the operations. */
function entriesOf(chosen: Chosen<Name>, operations: readonly Acl["operation"][]): Entry[] {
  const sides = [
    ["allow-principal", "allow-host", "ALLOW"],
    ["deny-principal", "deny-host", "DENY"],
  ] as const;
  return sides.flatMap(([who, from, permission]) => {
    const hosts = chosen.has(from) ? new Set(chosen.texts(from).map(text => text.trim())) : ["*"];
    return principalsOf(chosen, who).flatMap(principal =>
      operations.flatMap(operation => [...hosts].map(host => ({ principal, host, operation, permission }))),
    );
  });
}

function ofRole(chosen: Chosen<Name>, role: keyof typeof ROLES): Bound[] {
  return placesOf(chosen, false).flatMap((place): Bound[] => {
    const operations = ROLES[role][place.resourceType];
    return operations === undefined ? [] : [[place, entriesOf(chosen, operations)]];
  });
}

/** ACLs that the options describe, by place (`getResourceFilterToAcls`). Throws `UsageError`. */
function boundOf(chosen: Chosen<Name>): Bound[] {
  const operations = chosen.texts("operation").map(text => operationOf(text.trim()) ?? "UNKNOWN");
  const parts: Bound[] = chosen.has("producer", "consumer")
    ? [
        ...(chosen.has("producer") ? ofRole(chosen, "producer") : []),
        ...(chosen.has("idempotent") ? [[CLUSTER, entriesOf(chosen, ["IDEMPOTENT_WRITE"])] as const] : []),
        ...(chosen.has("consumer") ? ofRole(chosen, "consumer") : []),
      ]
    : placesOf(chosen, false).map(place => [place, entriesOf(chosen, [...new Set(operations)])]);
  const bound = new Map<string, { place: Place; entries: Map<string, Entry> }>();
  for (const [place, entries] of parts) {
    const known = bound.get(placeText(place)) ?? { place, entries: new Map<string, Entry>() };
    bound.set(placeText(place), known);
    for (const entry of entries) known.entries.set(entryText(entry), entry);
  }
  return [...bound.values()].map(({ place, entries }) => {
    const valid = operationsOn(place.resourceType);
    if ([...entries.values()].every(({ operation }) => valid.includes(operation)))
      return [place, [...entries.values()]];
    throw new UsageError(`ResourceType ${place.resourceType} only supports operations [${valid.join(", ")}]`);
  });
}

async function add(admin: Admin, chosen: Chosen<Name>): Promise<void> {
  const pattern = patternOf(chosen);
  if (pattern === "ANY" || pattern === "MATCH") {
    throw new UsageError(`A '--resource-pattern-type' value of '${pattern}' is not valid when adding acls.`);
  }
  const bound = boundOf(chosen);
  if (bound.some(([, entries]) => entries.length === 0)) {
    throw new UsageError("You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.");
  }
  for (const [place, entries] of bound) {
    const known = new Set((await admin.access.describeAcls(place)).map(entryText));
    const added = entries.filter(entry => !known.has(entryText(entry)));
    for (const entry of entries.filter(one => !added.includes(one))) {
      console.log(`Acl (pattern=${placeText(place)}, entry=${entryText(entry)}) already exists.`);
    }
    if (added.length === 0) continue;
    console.log(`Adding ACLs for resource \`${placeText(place)}\`: \n ${entriesText(added)}\n`);
    (await admin.access.createAcls(added.map(entry => ({ ...place, ...entry })))).orThrow();
  }
}

/** Asks for a confirmation on standard input, unless none is wanted. */
async function confirmed(chosen: Chosen<Name>, question: string): Promise<boolean> {
  if (chosen.has("force")) return true;
  console.log(question);
  const input = createInterface({ input: process.stdin });
  const answer = await new Promise<string | undefined>(resolve => {
    input.once("line", resolve);
    input.once("close", () => resolve(undefined));
  });
  input.close();
  if (answer === undefined) throw new ToolError("no answer on standard input", "java.lang.NullPointerException");
  return answer.toLowerCase() === "y";
}

async function remove(admin: Admin, chosen: Chosen<Name>): Promise<void> {
  for (const [place, entries] of boundOf(chosen)) {
    const filter = `resource filter \`${placeText(place)}\`? (y/n)`;
    const question =
      entries.length === 0
        ? `Are you sure you want to delete all ACLs for ${filter}`
        : `Are you sure you want to remove ACLs: \n ${entriesText(entries)}\n from ${filter}`;
    if (!(await confirmed(chosen, question))) continue;
    const filters = entries.length === 0 ? [place] : entries.map(entry => ({ ...place, ...entry }));
    (await admin.access.deleteAcls(filters)).orThrow();
  }
}

async function list(admin: Admin, chosen: Chosen<Name>): Promise<void> {
  const places = placesOf(chosen, true);
  const principals = principalsOf(chosen, "principal");
  const found = await Promise.all((places.length === 0 ? [{}] : places).map(place => admin.access.describeAcls(place)));
  const acls = new Map(found.flat().map(acl => [`${placeText(acl)} ${entryText(acl)}`, acl]));
  const show = (some: readonly Acl[]): void => {
    for (const place of new Set(some.map(placeText))) {
      const entries = some.filter(acl => placeText(acl) === place).map(acl => `\t${entryText(acl)}`);
      console.log(`Current ACLs for resource \`${place}\`:\n${entries.join("\n")}\n`);
    }
  };
  if (principals.length === 0) return show([...acls.values()]);
  for (const principal of principals) {
    console.log(`ACLs for principal \`${principal}\``);
    show([...acls.values()].filter(acl => acl.principal === principal));
  }
}

/** Prints a failure as the tool does that catches everything. */
function failed(error: unknown): number {
  if (error instanceof KafkaError) {
    // The message of the exception of a future is the text of its cause.
    console.log(`Error while executing ACL command: ${javaText(error)}\n${wrappedText(error)}`);
  } else {
    const message = error instanceof Error ? error.message : String(error);
    console.log(`Error while executing ACL command: ${message}\n${thrownText(error)}`);
  }
  return 1;
}

/** kafka-acls (`AclCommand`). */
export const kafkaAcls = joptTool<Name>({
  about: "Shows and changes access control lists.",
  flags: FLAGS,
  mistakes: "usage",
  run: async chosen => {
    check(chosen);
    const act = chosen.has("add") ? add : chosen.has("remove") ? remove : list;
    const properties = loadProperties(chosen.text("command-config"));
    await withAdmin(chosenServers(chosen), properties, admin => act(admin, chosen));
    return 0;
  },
  failed,
});
