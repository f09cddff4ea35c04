import { type Env, ExponentialBackoff, messageOf } from "@samsa/base";
import type { QuotaEntity, QuotaImage } from "@samsa/metadata";
import {
  type ClientQuotaKind,
  type ClientQuotaType,
  type ConfigEntity,
  type LoadedQuotaCallback,
  QUOTA_TYPES,
  type QuotaAnswer,
  type QuotaCall,
  type QuotaCluster,
} from "./quota-callback.ts";

/** Limit of a client by a callback. */
export interface CustomLimit {
  /** Undefined: there is none. */
  readonly limit: number | undefined;
  /** Key of the meter, which all clients with the same tags share. */
  readonly meter: string;
}

type Quotas = ReadonlyMap<string, QuotaImage>;
type LimitCall = Extract<QuotaCall, { call: "limit" }>;

/** Answer that is kept. */
interface Kept {
  readonly call: LimitCall;
  /** Undefined: the callback has failed, so that the quotas of the metadata count. */
  readonly found: CustomLimit | undefined;
  /** True if the callback is asked again at the next request. */
  isStale: boolean;
  /** Monotonic time in ms before which a callback that has failed is not asked again. */
  readonly retryAt: number;
}

/** Calls of a round, with what they are for. */
interface Round {
  readonly calls: readonly QuotaCall[];
  readonly quotas: Quotas;
  /** Keys of the questions, which are the last calls. */
  readonly keys: readonly string[];
}

const NO_QUOTAS: Quotas = new Map();
/** Most clients whose limits are kept, and most characters of their names; the oldest are forgotten. */
const MOST = 10_000;
const MOST_CHARACTERS = 4 << 20;
/** Most clients that wait for an answer, and most characters of their names. */
const MOST_WAITING = 1000;
const WAITING_CHARACTERS = 1 << 20;
/** Questions of a round. */
const PER_ROUND = 200;
/** Longest text of tags. */
const LONGEST_TAGS = 1000;
/** Time after which a question that has failed is asked again, in ms. */
const RETRY_MS = 1000;
/** Shortest time between two lines of the log about failures, in ms. */
const TELL_MS = 60_000;
const BACKOFF = { initialMs: 1000, maxMs: 60_000, jitter: 0.2 };

const CONFIG_ENTITIES: Readonly<Record<string, readonly [ConfigEntity["type"], ConfigEntity["type"]]>> = {
  user: ["USER", "DEFAULT_USER"],
  "client-id": ["CLIENT_ID", "DEFAULT_CLIENT_ID"],
};

/** Entity as a callback hears it, the user first; undefined for an address, which callbacks do not hear of. */
function configEntity(parts: readonly QuotaEntity[]): ConfigEntity[] | undefined {
  const found: ConfigEntity[] = [];
  for (const wanted of Object.keys(CONFIG_ENTITIES)) {
    const part = parts.find(({ entityType }) => entityType === wanted);
    const types = CONFIG_ENTITIES[wanted];
    if (part === undefined || types === undefined) continue;
    found.push({ type: types[part.entityName === null ? 1 : 0], name: part.entityName ?? "" });
  }
  return found.length === parts.length ? found : undefined;
}

const isKind = (name: string): name is ClientQuotaKind => Object.hasOwn(QUOTA_TYPES, name);

/** Calls that tell a callback of the quotas of the metadata that have changed. */
function changesOf(before: Quotas, after: Quotas): QuotaCall[] {
  const calls: QuotaCall[] = [];
  const told = (image: QuotaImage, values: ReadonlyMap<string, number | null>): void => {
    const entity = configEntity(image.entity);
    if (entity === undefined) return;
    for (const [kind, value] of values) {
      if (isKind(kind)) calls.push({ call: "quota", type: QUOTA_TYPES[kind], entity, value });
    }
  };
  for (const [key, image] of before) {
    const now = after.get(key);
    if (now === image) continue;
    told(
      image,
      new Map([...image.quotas.keys()].filter(kind => now?.quotas.has(kind) !== true).map(kind => [kind, null])),
    );
  }
  for (const [key, image] of after) {
    const then = before.get(key);
    if (then === image) continue;
    told(image, new Map([...image.quotas].filter(([kind, value]) => then?.quotas.get(kind) !== value)));
  }
  return calls;
}

/** Limit that a callback has answered, or why it is none. */
function limitOf(type: ClientQuotaType, value: unknown): CustomLimit | string {
  const { tags, limit } = value as { readonly tags: unknown; readonly limit: unknown };
  if (typeof tags !== "object" || tags === null || Array.isArray(tags)) return "quotaMetricTags returned no tags";
  const entries = Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (entries.some(([, text]) => typeof text !== "string")) return "quotaMetricTags returned a tag that is no text";
  const meter = JSON.stringify([type, entries]);
  if (meter.length > LONGEST_TAGS) return "quotaMetricTags returned more than a thousand characters";
  if (limit === null || limit === undefined || limit === Infinity) return { limit: undefined, meter };
  if (typeof limit !== "number" || !(limit > 0)) return "quotaLimit returned no number above 0";
  return { limit, meter };
}

/**
 * Client quotas by a callback (KIP-257). Requests do not wait for it: its answers are kept, and the quotas of the metadata
 * count for a client until there is one, and while the callback fails.
 */
export class CustomQuotas {
  readonly #env: Pick<Env, "clock" | "logger" | "random" | "timers">;
  readonly #callback: LoadedQuotaCallback;
  readonly #backoff = new ExponentialBackoff(BACKOFF);
  /** Answers by client, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  #characters = 0;
  /** Questions that wait, by client. */
  readonly #waiting = new Map<string, LimitCall>();
  #waitingCharacters = 0;
  #quotas: Quotas = NO_QUOTAS;
  /** Quotas that the instance has been told of. */
  #told: Quotas = NO_QUOTAS;
  #cluster: (() => QuotaCluster) | undefined;
  #isClusterTold = true;
  #isResetDue = false;
  #isRunning = false;
  #isScheduled = false;
  #isClosed = false;
  #failures = 0;
  /** Monotonic time in ms before which the callback is left alone. */
  #resumeAt = -Infinity;
  #tellAt = -Infinity;
  #untold = 0;

  constructor(env: Pick<Env, "clock" | "logger" | "random" | "timers">, callback: LoadedQuotaCallback) {
    this.#env = env;
    this.#callback = callback;
  }

  /** Limit of a client; undefined: that of the metadata counts. */
  limitOf(kind: ClientQuotaKind, user: string, clientId: string): CustomLimit | undefined {
    const type = QUOTA_TYPES[kind];
    const key = JSON.stringify([type, user, clientId]);
    const kept = this.#kept.get(key);
    if (kept === undefined) this.#ask(key, { call: "limit", type, user, clientId });
    else if (kept.isStale || (kept.found === undefined && this.#env.clock.monotonic() >= kept.retryAt)) {
      this.#ask(key, kept.call);
    }
    return kept?.found;
  }

  #ask(key: string, call: LimitCall): void {
    const isFull = this.#waiting.size >= MOST_WAITING || this.#waitingCharacters + key.length > WAITING_CHARACTERS;
    if (!isFull && !this.#waiting.has(key)) {
      this.#waiting.set(key, call);
      this.#waitingCharacters += key.length;
    }
    this.#schedule();
  }

  /** Tells of the quotas in the metadata. */
  follow(quotas: Quotas): void {
    this.#quotas = quotas;
    if (quotas !== this.#told) this.#schedule();
  }

  /** Tells of a change of brokers or partitions; `cluster` is called when the callback is ready for it. */
  followCluster(cluster: () => QuotaCluster): void {
    if (!this.#callback.wantsCluster) return;
    this.#cluster = cluster;
    this.#isClusterTold = false;
  }

  /** Asks whether limits have changed; to be called once a second. */
  poll(): void {
    this.#isResetDue = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isRunning || this.#isClosed) return;
    if (this.#env.clock.monotonic() < this.#resumeAt) return;
    this.#isScheduled = true;
    this.#env.timers.soon(() => {
      this.#isScheduled = false;
      this.#run();
    });
  }

  #run(): void {
    if (this.#isRunning || this.#isClosed) return;
    const round = this.#nextRound();
    if (round.calls.length === 0) {
      this.#told = round.quotas;
      return;
    }
    this.#isRunning = true;
    this.#callback
      .call(round.calls)
      .then(
        answers => this.#answered(round, answers),
        (error: unknown) => this.#broken(error),
      )
      .finally(() => {
        this.#isRunning = false;
        if (this.#waiting.size > 0 || this.#quotas !== this.#told) this.#schedule();
      })
      .catch((error: unknown) =>
        this.#env.logger.error("answers of the quota callback were not taken over", { error }),
      );
  }

  #nextRound(): Round {
    const changes = changesOf(this.#told, this.#quotas);
    // Questions after this in the round are answered by the new quotas.
    if (changes.length > 0) this.#expire(Object.values(QUOTA_TYPES));
    const calls = changes;
    // The cluster may be large: it is told once a second at most.
    const cluster = this.#isResetDue && !this.#isClusterTold ? this.#cluster?.() : undefined;
    if (cluster !== undefined) calls.push({ call: "cluster", cluster });
    if (this.#isResetDue && this.#kept.size > 0) calls.push({ call: "reset", types: Object.values(QUOTA_TYPES) });
    this.#isResetDue = false;
    const keys: string[] = [];
    for (const [key, call] of this.#waiting) {
      if (keys.length >= PER_ROUND) break;
      keys.push(key);
      calls.push(call);
    }
    for (const key of keys) {
      this.#waiting.delete(key);
      this.#waitingCharacters -= key.length;
    }
    if (cluster !== undefined) this.#isClusterTold = true;
    return { calls, quotas: this.#quotas, keys };
  }

  #answered({ calls, quotas, keys }: Round, answers: readonly QuotaAnswer[]): void {
    this.#failures = 0;
    this.#told = quotas;
    const first = calls.length - keys.length;
    calls.forEach((call, i) => {
      const answer = answers[i] ?? { fault: "it has not answered" };
      if (call.call === "limit") this.#keep(keys[i - first] ?? "", call, answer);
      else if ("fault" in answer) this.#tell(answer.fault);
      else if (call.call === "cluster" && answer.value === true) this.#expire(Object.values(QUOTA_TYPES));
      else if (call.call === "reset" && Array.isArray(answer.value)) this.#expire(answer.value);
    });
  }

  #keep(key: string, call: LimitCall, answer: QuotaAnswer): void {
    const found = "fault" in answer ? answer.fault : limitOf(call.type, answer.value);
    const failed = typeof found === "string";
    if (failed) this.#tell(found);
    const retryAt = failed ? this.#env.clock.monotonic() + RETRY_MS : Infinity;
    this.#forget(key);
    this.#kept.set(key, { call, found: failed ? undefined : found, isStale: false, retryAt });
    this.#characters += key.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST && this.#characters <= MOST_CHARACTERS) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    if (this.#kept.delete(key)) this.#characters -= key.length;
  }

  /** Has limits of some types asked for again. */
  #expire(types: readonly unknown[]): void {
    for (const kept of this.#kept.values()) if (types.includes(kept.call.type)) kept.isStale = true;
  }

  /** Begins anew with another instance, after a while. */
  #broken(error: unknown): void {
    this.#kept.clear();
    this.#characters = 0;
    this.#waiting.clear();
    this.#waitingCharacters = 0;
    this.#told = NO_QUOTAS;
    this.#isClusterTold = this.#cluster === undefined;
    if (this.#isClosed) return;
    this.#resumeAt = this.#env.clock.monotonic() + this.#backoff.delayMs(this.#failures++, this.#env.random.next());
    this.#tell(messageOf(error));
  }

  #tell(reason: string): void {
    const now = this.#env.clock.monotonic();
    this.#untold++;
    if (now < this.#tellAt) return;
    this.#env.logger.error("client.quota.callback.class has failed; the quotas of the metadata count instead", {
      reason,
      failures: this.#untold,
    });
    this.#untold = 0;
    this.#tellAt = now + TELL_MS;
  }

  /** Ends the callback. Does not reject: a stop goes on without it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#callback.close().catch((error: unknown) => {
      this.#env.logger.warn("the quota callback has not closed", { error });
    });
  }
}
