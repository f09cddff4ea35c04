import { ToolError } from "./exits.ts";

/** Test of topics by a pattern that matches whole names; commas separate alternatives (`TopicFilter.IncludeList`). */
export function includeList(pattern: string): (topic: string) => boolean {
  const regex = pattern
    .trim()
    .replaceAll(",", "|")
    .replaceAll(" ", "")
    .replace(/^["']+/, "")
    .replace(/["']+$/, "");
  try {
    const whole = new RegExp(`^(?:${regex})$`, "s");
    return topic => whole.test(topic);
  } catch {
    throw new ToolError(`${regex} is an invalid regex.`, "java.lang.RuntimeException");
  }
}
