/** Cases of the judge that runs a script of Kafka's and the same script of ours with the same arguments. */

/** Two runs of a script, of Kafka's and of ours, which must say the same. */
export interface ScriptCase {
  readonly name: string;
  /** Arguments. `{server}`, `{file}` and `{node}` are replaced; `{who}` is a word of each of the two, of equal length. */
  readonly args: readonly string[];
  /** Text for standard input. */
  readonly input?: string;
  /** Contents of `{file}`. */
  readonly file?: string;
  /** True if lines may come in any order: those of `Set.of`, or of several partitions. */
  readonly isUnordered?: true;
  /** Parts of the output that differ from run to run, as times. */
  readonly varies?: RegExp;
  /** True if only the exit code, and that there is a message, is compared: the order of words in it is random in Java. */
  readonly isVague?: true;
}

/** Script of Kafka's, and its cases in order. */
export interface Script {
  /** Name of the script, without `.sh`. */
  readonly name: string;
  /** Class of Java. */
  readonly main: string;
  readonly cases: readonly ScriptCase[];
}

/** Package of Kafka's tools. */
export const TOOLS = "org.apache.kafka.tools";

/** Trace of the stack below a message, which only Kafka's tools print: a part that varies. */
export const STACK = /\n\S*Exception: [\s\S]*$|$/;

/** A case of arguments in one text, separated by single spaces; a leading `--bootstrap-server` is added. */
export function asks(name: string, args: string, more: Partial<ScriptCase> = {}): ScriptCase {
  return { name, args: ["--bootstrap-server", "{server}", ...words(args)], ...more };
}

/** A case of arguments without an address. */
export function plain(name: string, args: string, more: Partial<ScriptCase> = {}): ScriptCase {
  return { name, args: words(args), ...more };
}

function words(args: string): string[] {
  return args.split(" ").filter(word => word !== "");
}
