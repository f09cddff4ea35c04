import { invariant } from "./assert.ts";

const nothing = (): undefined => undefined;

/** Returns a callback that does nothing. `reason` tells the reader of the source why that is right. */
export function ignored(reason: string): () => undefined {
  invariant(reason !== "", "an event is ignored for a reason");
  return nothing;
}
