/**
 * Kafka's command-line tools and what each must say, as data. Before the first check of a tool there is a topic `tools`
 * of three partitions with ten records each, and a group `tools-group` that has read them all and is empty.
 */
export const TOOLS = "org.apache.kafka.tools";

export interface ToolCheck {
  readonly name: string;
  /** `{server}`, `{node}`, `{directory}` and `{file}` stand for what they are named after. */
  readonly args: readonly string[];
  /** What its output, standard error included, must and must not have; `{node}` is replaced here too. */
  readonly shows: readonly RegExp[];
  readonly hides?: readonly RegExp[];
  /** It must end with another code than 0. */
  readonly fails?: true;
  /** It does not end by itself: it is ended once everything was shown. */
  readonly endless?: true;
  readonly file?: string;
  readonly input?: string;
  /** Another program than the tool. */
  readonly main?: string;
}

export interface Tool {
  readonly name: string;
  readonly main: string;
  /** Put before the arguments of every check. */
  readonly common: readonly string[];
  readonly checks: readonly ToolCheck[];
  /** It reads files: the broker is stopped first. */
  readonly stopped?: true;
}

export const SERVER = ["--bootstrap-server", "{server}"];

/** A check by its arguments, separated by single spaces, and what must be shown. */
export function check(name: string, args: string, ...shows: readonly RegExp[]): ToolCheck {
  return { name, args: args.split(" "), shows };
}
