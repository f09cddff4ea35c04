import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { commandTree } from "../src/completion/command-tree.ts";
import { completionScript, SHELLS } from "../src/completion/scripts.ts";
import { program } from "../src/program.ts";
import { MAIN } from "./bundle.ts";

const scriptOf = (shell: string) => spawnSync(process.execPath, [MAIN, "completion", shell], { encoding: "utf8" });
const bashScript = scriptOf("bash").stdout;

/** Words that bash offers at the end of a line. */
function offered(line: string): string[] {
  const run = `${bashScript}
line=$1
COMP_LINE=$line COMP_POINT=\${#line}
read -ra COMP_WORDS <<< "$line"
[[ $line == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
_samsa
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync("bash", ["-c", run, "bash", line], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter(word => word !== "");
}

/** Reason to skip a shell that this machine lacks. */
const lacks = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status !== 0;

describe("bash completes", () => {
  test("commands and what is below them", () => {
    expect(offered("samsa to")).toEqual(["topic"]);
    expect(offered("samsa topic ")).toEqual(["create", "list", "describe", "alter", "delete"]);
    expect(offered("samsa topic c")).toEqual(["create"]);
    expect(offered("samsa kafka-con").toSorted()).toEqual([
      ...["kafka-configs", "kafka-console-consumer", "kafka-console-producer"],
      ...["kafka-consumer-groups", "kafka-consumer-perf-test"],
    ]);
  });

  test("options, also behind other options and arguments", () => {
    expect(offered("samsa topic create tea --par")).toEqual(["--partitions"]);
    expect(offered("samsa topic create tea --partitions 3 --repl")).toEqual(["--replication-factor"]);
    expect(offered("samsa kafka-topics --bootstrap-s")).toEqual(["--bootstrap-server"]);
    expect(offered("samsa kafka-features ")).toContain("version-mapping");
    expect(offered("samsa --ver")).toEqual(["--version"]);
  });

  test("values of options that have a choice, and nothing where any value goes", () => {
    expect(offered("samsa start --log-level ")).toEqual(["debug", "info", "warn", "error", "silent"]);
    expect(offered("samsa start --log-level wa")).toEqual(["warn"]);
    expect(offered("samsa topic create --partitions ")).toEqual([]);
  });

  test("every command and option of the tree", () => {
    for (const { path, commands, options } of commandTree(program())) {
      const line = path.join(" ");
      if (commands.length > 0) {
        expect(offered(`${line} `)).toEqual(expect.arrayContaining(commands.map(({ name }) => name)));
      }
      expect(offered(`${line} -`)).toEqual(options.flatMap(({ names }) => names));
    }
  });
});

describe("other shells", () => {
  test.for(["zsh", "fish"] as const)("%s accepts its script", (shell, context) => {
    context.skip(lacks(shell), `${shell} is not installed`);
    const { status, stderr } = spawnSync(shell, ["-n"], { input: scriptOf(shell).stdout, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("a name with a quote stays one word in every script", () => {
    const tree = [{ path: ["samsa"], commands: [{ name: "it's", description: "it's" }], options: [] }];
    for (const shell of SHELLS) expect(completionScript(shell, tree)).toContain(String.raw`it'\''s`);
  });

  test("a shell that is not known is refused", () => {
    const { status, stderr } = scriptOf("tcsh");
    expect([status, stderr]).toEqual([1, 'samsa: there is completion for bash, zsh, fish, not for "tcsh"\n']);
  });
});
