/** Worker thread of `nodePolicies`: holds the policies of a controller, and answers one question at a time. */
import { createRequire } from "node:module";
import { resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { ignored } from "@samsa/base";

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

/** Asks the thread to close its policies and to end. */
export const CLOSE = "close";

/** Objection of a policy to a request. */
export interface PolicyObjection {
  /** Name of an error of Kafka; undefined: the policy has failed. */
  readonly code: string | undefined;
  readonly message: string | null;
}

/** Messages of the thread: first `loaded` or `failed`, then an answer to each question. */
export type PolicyMessage =
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly why: string }
  | { readonly type: "answer"; readonly objection?: PolicyObjection };

interface Policy {
  configure?(configs: Readonly<Record<string, string>>): unknown;
  validate(request: object): unknown;
  close?(): unknown;
}

type PolicyClass = new () => Policy;

const VIOLATION = /^PolicyViolation(?:Error|Exception)?$/;

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";

/** Address of a module: a path relative to the working directory, or a package that is installed there. */
function addressOf(module: string): string {
  if (module.startsWith("file:")) return module;
  if (module.startsWith(".") || resolve(module) === module) return pathToFileURL(resolve(module)).href;
  try {
    return pathToFileURL(createRequire(resolve(`.${sep}`)).resolve(module)).href;
  } catch {
    // A package that is installed beside this program, or has no form for `require`.
    return module;
  }
}

async function load(name: string, configs: PolicyWork["configs"]): Promise<Policy> {
  const [module = "", chosen] = name.split("#");
  const found = (await import(addressOf(module))) as Readonly<Record<string, unknown>>;
  const classes = Object.entries(found).filter(([, value]) => typeof value === "function");
  const [only] = classes;
  const made = chosen === undefined ? (found.default ?? (classes.length === 1 ? only?.[1] : undefined)) : found[chosen];
  if (typeof made !== "function") {
    throw new Error(
      chosen === undefined ? "it has no class as its default export" : `it does not export a class ${chosen}`,
    );
  }
  const policy = new (made as PolicyClass)();
  if (typeof policy.validate !== "function") throw new Error("its class has no method validate");
  if (typeof policy.configure === "function") await policy.configure(configs);
  return policy;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

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
      const why = `the policy ${name} cannot be loaded: ${textOf(error)}`;
      return parentPort?.postMessage({ type: "failed", why } satisfies PolicyMessage);
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
  parentPort?.postMessage({ type: "failed", why: textOf(error) } satisfies PolicyMessage);
});
