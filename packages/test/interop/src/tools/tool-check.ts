/**
 * Checks of Kafka's command-line tools, as data: arguments and expected output. Before the first check of a tool there
 * is a topic `tools` of three partitions with ten records each, and an empty group `tools-group` that has read all.
 */
export const TOOLS = "org.apache.kafka.tools";

/** Run of a tool with its expected output. */
export interface ToolCheck {
  readonly name: string;
  /** Arguments; `{server}`, `{controllers}`, `{node}`, `{directory}`, `{file}` and `{snapshot}` are replaced. */
  readonly args: readonly string[];
  /** Patterns that the output, including standard error, must match; placeholders are replaced here too. */
  readonly shows: readonly RegExp[];
  /** Patterns that the output must not match. */
  readonly hides?: readonly RegExp[];
  /** The tool must end with an exit code other than 0. */
  readonly fails?: true;
  /** The tool does not end by itself: it is killed once all patterns of `shows` matched. */
  readonly endless?: true;
  /** Number of runs of which one must pass; 1 by default. */
  readonly tries?: number;
  readonly file?: string;
  readonly input?: string;
  /** Options of the virtual machine. */
  readonly jvm?: readonly string[];
  /** Main class, if not that of the tool. */
  readonly main?: string;
}

/** Command-line tool with its checks, which run in order. */
export interface Tool {
  readonly name: string;
  readonly main: string;
  /** Arguments before those of every check. */
  readonly common: readonly string[];
  readonly checks: readonly ToolCheck[];
  /** The tool reads log files: the broker is stopped first. */
  readonly stopped?: true;
}

export const SERVER = ["--bootstrap-server", "{server}"];

/** Returns a check of arguments, separated by single spaces, and the patterns that the output must match. */
export function check(name: string, args: string, ...shows: readonly RegExp[]): ToolCheck {
  return { name, args: args.split(" "), shows };
}
