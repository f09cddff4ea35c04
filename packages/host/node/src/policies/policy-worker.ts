/** Worker thread of `nodePolicies`: holds the policies of a controller, and answers one question at a time. */
import { parentPort, workerData } from "node:worker_threads";
import { ignored, messageOf } from "@samsa/base";
import { CLOSE, type LoadFailure } from "../classes/class-thread.ts";
import { isThenable, made } from "../classes/made.ts";

/** Start of the thread. */
export interface PolicyWork {
  /** Module of each policy. */
  readonly classes: Readonly<Record<string, string>>;
  /** Settings of the node, as its user wrote them. */
  readonly configs: Readonly<Record<string, string>>;
}

/** Question to a policy. */
export interface PolicyQuestion {
  readonly policy: string;
  readonly request: object;
}

/** Objection of a policy to a request. */
export interface PolicyObjection {
  /** Name of an error of Kafka; undefined: the policy has failed. */
  readonly code: string | undefined;
  readonly message: string | null;
}

/** Messages of the thread: first `loaded`, or a `LoadFailure`, then an answer to each question. */
export type PolicyMessage =
  | { readonly type: "loaded" }
  | { readonly type: "answer"; readonly objection?: PolicyObjection };

interface Policy {
  configure?(configs: Readonly<Record<string, string>>): unknown;
  validate(request: object): unknown;
  close?(): unknown;
}

const VIOLATION = /^PolicyViolation(?:Error|Exception)?$/;

async function load(name: string, configs: PolicyWork["configs"]): Promise<Policy> {
  const policy = await made<Policy>(name, ["validate"]);
  if (typeof policy.configure === "function") await policy.configure(configs);
  return policy;
}

/** Meaning of an error that a policy throws: a violation, another error of Kafka that its code names, or a failure. */
function objectionOf(error: unknown): PolicyObjection {
  if (!(error instanceof Error)) return { code: undefined, message: String(error) };
  const code = (error as { code?: unknown }).code;
  const isViolation = VIOLATION.test(error.name) || VIOLATION.test(error.constructor.name);
  if (isViolation) return { code: "POLICY_VIOLATION", message: error.message };
  return { code: typeof code === "string" ? code : undefined, message: error.message };
}

function answerTo({ policy, request }: PolicyQuestion, policies: ReadonlyMap<string, Policy>): PolicyMessage {
  try {
    const returned = policies.get(policy)?.validate(request);
    if (!isThenable(returned)) return { type: "answer" };
    returned.then(ignored("the answer has been given"), ignored("the answer has been given"));
    const message = "validate returned a promise; it must answer at once";
    return { type: "answer", objection: { code: undefined, message } };
  } catch (error) {
    return { type: "answer", objection: objectionOf(error) };
  }
}

async function serve({ classes, configs }: PolicyWork): Promise<void> {
  const policies = new Map<string, Policy>();
  for (const [policy, name] of Object.entries(classes)) {
    try {
      policies.set(policy, await load(name, configs));
    } catch (error) {
      const why = `the policy ${name} cannot be loaded: ${messageOf(error)}`;
      return parentPort?.postMessage({ type: "failed", why } satisfies LoadFailure);
    }
  }
  parentPort?.on("message", (question: PolicyQuestion | typeof CLOSE) => {
    if (question === CLOSE) endAfter([...policies.values()]);
    else parentPort?.postMessage(answerTo(question, policies));
  });
  parentPort?.postMessage({ type: "loaded" } satisfies PolicyMessage);
}

/** Closes the policies; what they throw ends the thread, too. */
function endAfter(policies: readonly Policy[]): void {
  const closed = policies.map(async policy => policy.close?.());
  const end = (): void => parentPort?.close();
  Promise.allSettled(closed).then(end, end);
}

serve(workerData as PolicyWork).catch((error: unknown) => {
  parentPort?.postMessage({ type: "failed", why: messageOf(error) } satisfies LoadFailure);
});
