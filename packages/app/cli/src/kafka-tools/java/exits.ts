/** Mistake in the arguments of a tool: its message and the options of the tool go to standard error, the exit code is 1. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Mistake that the parser of options finds (joptsimple's `OptionException`). Each tool handles it in its own way. */
export class OptionError extends Error {
  override readonly name = "OptionError";
  /** Class of the exception that Java's parser throws. */
  readonly javaClass: string;

  constructor(javaClass: string, message: string) {
    super(message);
    this.javaClass = javaClass;
  }
}

/** End of a tool with an exit code, after it has said what there is to say. */
export class Exit extends Error {
  override readonly name = "Exit";
  readonly code: number;

  constructor(code: number) {
    super(`exit code ${code}`);
    this.code = code;
  }
}

/** Class of the exception about arguments that cannot be. */
export const ILLEGAL_ARGUMENT = "java.lang.IllegalArgumentException";

/** Failure that a tool of Kafka reports in its own words, as the message of a Java exception. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  /** Class of the exception, for tools that print it. */
  readonly javaClass: string;

  constructor(message: string, javaClass = ILLEGAL_ARGUMENT) {
    super(message);
    this.javaClass = javaClass;
  }
}

/** Mistake that the parser of argparse4j finds. */
export class ArgumentError extends Error {
  override readonly name = "ArgumentError";
  /** All that the parser prints about it: how the tool is called, and the message. */
  readonly report: string;

  constructor(message: string, report: string) {
    super(message);
    this.report = report;
  }
}
