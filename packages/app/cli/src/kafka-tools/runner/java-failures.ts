import { KafkaError } from "@samsa/client-kernel";
import { ToolError } from "../java/exits.ts";
import { wrappedText } from "../java/errors.ts";

/** Runs `action`; its `KafkaError` becomes the `RuntimeException` around the `ExecutionException` of a future. */
export async function wrapping<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    throw new ToolError(wrappedText(error), "java.lang.RuntimeException");
  }
}
