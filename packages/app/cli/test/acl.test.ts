import { join } from "node:path";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { feed, samsa as samsaOf, tool as toolOf } from "./client-bench.ts";
import { Pages } from "./pages.ts";

const settings = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:ANONYMOUS",
};
const cluster = clusterFixture({ beforeAll, afterAll }, { settings });
const samsa = (...args: string[]) => samsaOf(cluster(), "acl", ...args);
const tool = (...args: string[]) => toolOf(cluster(), "kafka-acls", ...args);

const all = async (): Promise<string[]> => {
  const acls: Record<string, string>[] = JSON.parse((await samsa("list", "--json")).out);
  return acls
    .map(({ resourceType, resourceName, pattern, permission, operation, principal, host }) =>
      [resourceType, resourceName, pattern, permission, operation, principal, host].join(" "),
    )
    .sort();
};

afterEach(async () => {
  for (const permission of ["allow", "deny"]) await samsa("remove", "--permission", permission);
});

describe("samsa acl", () => {
  test("adds, lists and removes", async () => {
    const added = await samsa(
      "add",
      "--topic",
      "orders",
      "--allow",
      "ann",
      "--operation",
      "read",
      "--operation",
      "alter-configs",
    );
    expect(added.out.split("\n")).toEqual([
      "RESOURCE  NAME    PERMISSION  OPERATION      PRINCIPAL  HOST",
      "TOPIC     orders  ALLOW       ALTER_CONFIGS  User:ann   *",
      "TOPIC     orders  ALLOW       READ           User:ann   *",
      "",
    ]);
    await samsa(
      "add",
      "--group",
      "ord",
      "--prefixed",
      "--deny",
      "Group:x",
      "--operation",
      "ALL",
      "--host",
      "10.0.0.0/8",
    );
    await samsa("add", "--cluster", "--allow", "*", "--operation", "describe");
    const rest = [
      "CLUSTER kafka-cluster LITERAL ALLOW DESCRIBE User:* *",
      "GROUP ord PREFIXED DENY ALL Group:x 10.0.0.0/8",
      "TOPIC orders LITERAL ALLOW ALTER_CONFIGS User:ann *",
    ];
    expect(await all()).toEqual([...rest, "TOPIC orders LITERAL ALLOW READ User:ann *"]);
    expect((await samsa("list", "--group", "orders")).out).toContain("GROUP     ord…  DENY");
    expect((await samsa("list", "--group", "orders", "--exact")).out).toBe("No ACLs.\n");
    expect((await samsa("list", "--group", "ord", "--prefixed")).out).toContain("ord…");
    expect((await samsa("list", "--principal", "nobody")).out).toBe("No ACLs.\n");
    const removed = await samsa("remove", "--topic", "orders", "--operation", "read", "--json");
    expect(JSON.parse(removed.out)).toEqual([
      {
        ...{ resourceType: "TOPIC", resourceName: "orders", pattern: "LITERAL" },
        ...{ principal: "User:ann", host: "*", operation: "READ", permission: "ALLOW" },
      },
    ]);
    expect(await all()).toEqual(rest);
  });

  test("adds what producers and consumers need", async () => {
    await samsa("add", "--producer", "--topic", "a", "--transactional-id", "t", "--allow", "ann");
    await samsa("add", "--consumer", "--topic", "b", "--group", "g", "--allow", "bob");
    expect(await all()).toEqual([
      "GROUP g LITERAL ALLOW READ User:bob *",
      "TOPIC a LITERAL ALLOW CREATE User:ann *",
      "TOPIC a LITERAL ALLOW DESCRIBE User:ann *",
      "TOPIC a LITERAL ALLOW WRITE User:ann *",
      "TOPIC b LITERAL ALLOW DESCRIBE User:bob *",
      "TOPIC b LITERAL ALLOW READ User:bob *",
      "TRANSACTIONAL_ID t LITERAL ALLOW DESCRIBE User:ann *",
      "TRANSACTIONAL_ID t LITERAL ALLOW WRITE User:ann *",
    ]);
  });

  test.each([
    [["add", "--topic", "t", "--operation", "read"], "--allow or --deny"],
    [["add", "--allow", "ann", "--operation", "read"], "acl add wants --topic"],
    [["add", "--topic", "t", "--allow", "ann"], "--operation, --producer or --consumer"],
    [["add", "--topic", "t", "--allow", "ann", "--operation", "fly"], 'not "fly"'],
    [["add", "--group", "g", "--allow", "ann", "--operation", "write"], "takes the operations all, read"],
    [["add", "--group", "g", "--allow", "ann", "--producer"], "a producer needs a --topic"],
    [["add", "--topic", "t", "--allow", "ann", "--operation", "read", "--host", "1.2.3.4/99"], "(INVALID_REQUEST)"],
    [["remove"], "acl remove wants a resource"],
  ])("%j is refused in one sentence", async (args, why) => {
    const { code, err } = await samsa(...args);
    expect([code, err]).toEqual([1, expect.stringMatching(/^samsa: [^\n]+\n$/)]);
    expect(err).toContain(why);
    expect(await all()).toEqual([]);
  });
});

test("docs/authorization.md shows what the commands do", async () => {
  const pages = new Pages(text => text, `set -- "$@" --bootstrap-server ${cluster().bootstrapServers}\n`);
  try {
    await pages.run(join(import.meta.dirname, "../../../../docs/authorization.md"));
  } finally {
    await pages.dispose();
  }
});

/** Answers a question of the tool. */
const answering = (answer: string, ...args: string[]) =>
  feed(answer, "kafka-acls", "--bootstrap-server", cluster().bootstrapServers, ...args);

describe("kafka-acls", () => {
  const ALICE = "(principal=User:alice, host=*, operation=READ, permissionType=ALLOW)";
  const ON_T = "ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL)";

  test("adds, says what exists, lists and removes", async () => {
    const args = ["--add", "--allow-principal", "User:alice", "--operation", "Read", "--topic", "t"];
    const first = await tool(...args);
    expect(first).toEqual({ code: 0, out: `Adding ACLs for resource \`${ON_T}\`: \n \t${ALICE}\n\n`, err: "" });
    expect((await tool(...args)).out).toBe(`Acl (pattern=${ON_T}, entry=${ALICE}) already exists.\n`);
    const listed = `Current ACLs for resource \`${ON_T}\`:\n\t${ALICE}\n\n`;
    expect((await tool("--list")).out).toBe(listed);
    expect((await tool("--list", "--topic", "other")).out).toBe("");
    expect((await tool("--list", "--principal", "User:alice", "--principal", "User:bob")).out).toBe(
      `ACLs for principal \`User:alice\`\n${listed}ACLs for principal \`User:bob\`\n`,
    );
    const question = `Are you sure you want to delete all ACLs for resource filter \`${ON_T}\`? (y/n)\n`;
    expect(await answering("n\n", "--remove", "--topic", "t")).toEqual({ code: 0, out: question, err: "" });
    expect((await all()).length).toBe(1);
    const removal = ["--remove", "--allow-principal", "User:alice", "--operation", "READ", "--topic", "t"];
    expect((await answering("Y\n", ...removal)).out).toBe(
      `Are you sure you want to remove ACLs: \n \t${ALICE}\n from resource filter \`${ON_T}\`? (y/n)\n`,
    );
    expect(await all()).toEqual([]);
  });

  test("has short ways for producers and consumers, which may be one", async () => {
    const args = [
      "--producer",
      "--consumer",
      "--topic",
      "t",
      "--group",
      "g",
      "--transactional-id",
      "x",
      "--idempotent",
    ];
    const { code } = await tool("--add", "--allow-principal", "User:a", "--allow-host", "1.1.1.1", ...args);
    expect(code).toBe(0);
    const added = await all();
    expect(added).toEqual([
      "CLUSTER kafka-cluster LITERAL ALLOW IDEMPOTENT_WRITE User:a 1.1.1.1",
      "GROUP g LITERAL ALLOW READ User:a 1.1.1.1",
      "TOPIC t LITERAL ALLOW CREATE User:a 1.1.1.1",
      "TOPIC t LITERAL ALLOW DESCRIBE User:a 1.1.1.1",
      "TOPIC t LITERAL ALLOW READ User:a 1.1.1.1",
      "TOPIC t LITERAL ALLOW WRITE User:a 1.1.1.1",
      "TRANSACTIONAL_ID x LITERAL ALLOW DESCRIBE User:a 1.1.1.1",
      "TRANSACTIONAL_ID x LITERAL ALLOW WRITE User:a 1.1.1.1",
    ]);
    await tool("--remove", "--force", "--allow-principal", "User:a", "--allow-host", "1.1.1.1", ...args);
    expect(await all()).toEqual([]);
  });

  test("removes by patterns", async () => {
    const both = ["--allow-principal", "User:a", "--deny-principal", "User:b", "--operation", "describe"];
    await tool("--add", ...both, "--topic", "ab", "--resource-pattern-type", "prefixed");
    await tool("--add", ...both, "--topic", "*", "--operation", "All");
    expect(
      (await tool("--list", "--topic", "abc", "--resource-pattern-type", "match")).out.match(/patternType/g),
    ).toHaveLength(2);
    await tool("--remove", "--force", "--topic", "abc", "--resource-pattern-type", "MATCH");
    expect(await all()).toEqual([]);
  });

  test.each([
    [["--add"], "You must provide at least one resource"],
    [["--add", "--topic", "t"], "You must specify one of: --allow-principal, --deny-principal"],
    [["--list", "--add"], "exactly one action"],
    [["--topic", "t"], "exactly one action"],
    [["--list", "--producer"], 'Option "[list]" can\'t be used with option "[producer]"'],
    [["--add", "--producer", "--topic", "t", "--operation", "Read"], "can't be used with"],
    [["--add", "--principal", "User:a"], "only available if --list is set"],
    [["--add", "--producer"], "With --producer you must specify a --topic"],
    [["--add", "--idempotent"], "only available if --producer is set"],
    [["--add", "--consumer", "--topic", "t"], "With --consumer you must specify a --topic and a --group"],
    [["--add", "--topic", "t", "--resource-pattern-type", "any"], "'ANY' is not valid when adding acls"],
    [
      ["--add", "--group", "g", "--operation", "Write", "--allow-principal", "User:a"],
      "ResourceType GROUP only supports",
    ],
    [
      ["--add", "--topic", "t", "--operation", "Fly", "--allow-principal", "User:a"],
      "ResourceType TOPIC only supports",
    ],
  ])("%j is answered with the way to call it", async (args, why) => {
    const { code, out, err } = await tool(...args);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(why);
    expect(err).toContain("--resource-pattern-type");
  });

  test.each([
    [
      ["--add", "--topic", "t", "--allow-principal", "ann"],
      "expected a string in format principalType:principalName but got ann",
    ],
    [
      ["--list", "--topic", "t", "--resource-pattern-type", "x"],
      "Cannot parse argument 'x' of option resource-pattern-type",
    ],
    [
      ["--add", "--topic", "t", "--allow-principal", "User:a", "--allow-host", "1.1.1.1/99"],
      "org.apache.kafka.common.errors.InvalidRequestException: Invalid CIDR notation",
    ],
  ])("%j fails with a message", async (args, why) => {
    const { code, out } = await tool(...args);
    expect(code).toBe(1);
    expect(out).toContain(`Error while executing ACL command: ${why}`);
  });
});
