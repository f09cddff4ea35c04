import type { BrokerId } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import type { RequestFor, ResponseOf } from "@samsa/wire";

/** Kind of a coordinator, with its code in FindCoordinator. */
export const COORDINATOR_KINDS = { group: 0, transaction: 1, share: 2 } as const;
/** Kind of a coordinator. */
export type CoordinatorKind = keyof typeof COORDINATOR_KINDS;

type Ask = (request: RequestFor<"FindCoordinator">) => Promise<ResponseOf<"FindCoordinator">>;

/** First version of FindCoordinator with several keys in a request. */
const SEVERAL_KEYS = 4;

/** A coordinator as it was found: its broker may be missing in the metadata yet. */
export interface Coordinator {
  readonly id: BrokerId;
  readonly host: string;
  readonly port: number;
}

/** Coordinators that are known, and look-ups on their way, which callers share. */
export class Coordinators {
  readonly #ask: Ask;
  readonly #known = new Map<string, Coordinator>();
  readonly #pending = new Map<string, Promise<Coordinator>>();

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Coordinator of a group, transaction or share partition. Rejects with a `KafkaError`; asks once. */
  find(kind: CoordinatorKind, key: string): Promise<Coordinator> {
    const name = `${kind}/${key}`;
    const known = this.#known.get(name);
    if (known !== undefined) return Promise.resolve(known);
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    const found = this.#find(kind, key).finally(() => this.#pending.delete(name));
    this.#pending.set(name, found);
    return found;
  }

  async #find(kind: CoordinatorKind, key: string): Promise<Coordinator> {
    const keyType = COORDINATOR_KINDS[kind];
    const response = await this.#ask(version =>
      version < SEVERAL_KEYS ? { key, keyType } : { keyType, coordinatorKeys: [key] },
    );
    const { errorCode, errorMessage, nodeId, host, port } = response.coordinators[0] ?? response;
    if (errorCode !== 0) throw KafkaError.of(errorCode, `coordinator of ${kind} ${key}`, errorMessage);
    const coordinator = { id: nodeId, host, port };
    this.#known.set(`${kind}/${key}`, coordinator);
    return coordinator;
  }

  /** Looks for it again at the next call, as after NOT_COORDINATOR or a lost connection. */
  forget(kind: CoordinatorKind, key: string): void {
    this.#known.delete(`${kind}/${key}`);
  }

  clear(): void {
    this.#known.clear();
  }
}
