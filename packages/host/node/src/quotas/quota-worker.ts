/** Worker thread of `nodeQuotaCallback`: holds the quota callback of a node. */
import { parentPort, workerData } from "node:worker_threads";
import { ignored, messageOf } from "@samsa/base";
import { CLOSE, type LoadFailure } from "../classes/class-thread.ts";
import { isThenable, made } from "../classes/made.ts";

/** Start of the thread. */
export interface QuotaWork {
  /** Module of the callback. */
  readonly name: string;
  /** Settings of the node, as its user wrote them. */
  readonly configs: Readonly<Record<string, string>>;
}

/** Call of the callback, as the broker describes it. */
export type QuotaCall =
  | { readonly call: "limit"; readonly type: string; readonly user: string; readonly clientId: string }
  | {
      readonly call: "quota";
      readonly type: string;
      readonly entity: readonly { readonly type: string; readonly name: string }[];
      readonly value: number | null;
    }
  | { readonly call: "cluster"; readonly cluster: object }
  | { readonly call: "reset"; readonly types: readonly string[] };

/** Answer to a call: what it has returned, or why it has not. */
export type QuotaAnswer = { readonly value: unknown } | { readonly fault: string };

/** Messages of the thread: first `loaded`, or a `LoadFailure`, then the answers to each list of calls. */
export type QuotaMessage =
  | { readonly type: "loaded"; readonly wantsCluster: boolean }
  | { readonly type: "answers"; readonly answers: readonly QuotaAnswer[] };

interface Callback {
  configure?(configs: QuotaWork["configs"]): unknown;
  quotaMetricTags(type: string, principal: object, clientId: string): unknown;
  quotaLimit(type: string, tags: unknown): unknown;
  updateQuota?(type: string, entity: object, value: number): unknown;
  removeQuota?(type: string, entity: object): unknown;
  quotaResetRequired?(type: string): unknown;
  updateClusterMetadata?(cluster: object): unknown;
  close?(): unknown;
}

/** Value that a method has returned. Throws if it is a promise: callbacks answer at once. */
function atOnce(method: string, returned: unknown): unknown {
  if (!isThenable(returned)) return returned;
  returned.then(ignored("the answer has been given"), ignored("the answer has been given"));
  throw new Error(`${method} returned a promise; it must answer at once`);
}

/** Copy of tags with what can be sent to another thread; anything else stays what it is, so that it is refused. */
function sendable(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, typeof text === "string" ? text : 0]));
}

function called(callback: Callback, call: QuotaCall): unknown {
  switch (call.call) {
    case "limit": {
      const principal = { type: "User", name: call.user };
      const found = callback.quotaMetricTags(call.type, principal, call.clientId);
      const tags = atOnce("quotaMetricTags", found);
      const limit = atOnce("quotaLimit", callback.quotaLimit(call.type, tags));
      return { tags: sendable(tags), limit: typeof limit === "number" || limit == null ? limit : typeof limit };
    }
    case "quota": {
      const entity = { configEntities: call.entity };
      if (call.value === null) return void atOnce("removeQuota", callback.removeQuota?.(call.type, entity));
      return void atOnce("updateQuota", callback.updateQuota?.(call.type, entity, call.value));
    }
    case "cluster":
      return atOnce("updateClusterMetadata", callback.updateClusterMetadata?.(call.cluster)) === true;
    case "reset":
      return call.types.filter(type => atOnce("quotaResetRequired", callback.quotaResetRequired?.(type)) === true);
  }
}

function answerTo(callback: Callback, call: QuotaCall): QuotaAnswer {
  try {
    return { value: called(callback, call) };
  } catch (error) {
    return { fault: messageOf(error).slice(0, 1000) };
  }
}

async function serve({ name, configs }: QuotaWork): Promise<void> {
  const callback = await made<Callback>(name, ["quotaMetricTags", "quotaLimit"]);
  if (typeof callback.configure === "function") await callback.configure(configs);
  parentPort?.on("message", (calls: readonly QuotaCall[] | typeof CLOSE) => {
    if (calls === CLOSE) return endAfter(callback);
    const answers = calls.map(call => answerTo(callback, call));
    parentPort?.postMessage({ type: "answers", answers } satisfies QuotaMessage);
  });
  const wantsCluster = typeof callback.updateClusterMetadata === "function";
  parentPort?.postMessage({ type: "loaded", wantsCluster } satisfies QuotaMessage);
}

/** Closes the callback; what it throws ends the thread, too. */
function endAfter(callback: Callback): void {
  const end = (): void => parentPort?.close();
  (async () => callback.close?.())().then(end, end);
}

serve(workerData as QuotaWork).catch((error: unknown) => {
  const why = `the class ${(workerData as QuotaWork).name} cannot be loaded: ${messageOf(error)}`;
  parentPort?.postMessage({ type: "failed", why } satisfies LoadFailure);
});
