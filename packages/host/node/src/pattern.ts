import { createRequire } from "node:module";
import { MalformedError, type Pattern } from "@samsa/base";
import { once } from "./optional.ts";

/** Larger ones take tens of milliseconds to understand and to match, and nobody has written any. */
const LONGEST = 2000;
const MOST_STEPS = 1000;

const require = createRequire(import.meta.url);
// Loaded with the first expression: it takes megabytes, and many brokers never see one.
const re2 = once(() => require("re2js") as typeof import("re2js"));

/** `Env.pattern`, by the port of the library that Kafka uses. */
export function nodePattern(expression: string): Pattern {
  if (expression.length > LONGEST) throw new MalformedError(`an expression of more than ${LONGEST} characters`);
  const { RE2JS, RE2JSException, RE2JSSyntaxException } = re2();
  try {
    const compiled = RE2JS.compile(expression);
    if (compiled.programSize() > MOST_STEPS) throw new MalformedError("expression is too large");
    return text => compiled.matches(text);
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) throw new MalformedError(error.getDescription());
    if (error instanceof RE2JSException) throw new MalformedError(error.message);
    throw error;
  }
}
