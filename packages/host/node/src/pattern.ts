import { MalformedError, type Pattern } from "@samsa/base";
import { once, requiredModule } from "./modules/optional.ts";

/**
 * Limit on the length of an expression. Longer ones take tens of milliseconds to compile and to match, and are not seen
 * in practice.
 */
const LONGEST = 2000;
const MOST_STEPS = 1000;

// Load `re2js` with the first expression: it takes megabytes, and many brokers see none.
const re2 = once(() => requiredModule<typeof import("re2js")>("re2js"));

/** Implements `Env.pattern` with a port of RE2/J, the library that Kafka uses. */
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
