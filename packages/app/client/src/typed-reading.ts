import { guard } from "@samsa/base";
import type { ConsumerInterceptor } from "./interceptors.ts";
import type { Serdes } from "./serde/serde.ts";
import type { TypedRecord } from "./typed-record.ts";

/** Parts of a typed consumer beside its settings. */
export interface TypedReadingParts<K, V> {
  readonly serdes: Serdes<K, V>;
  readonly interceptors: readonly ConsumerInterceptor<K, V>[];
  /** Called once the consumer is closed. */
  readonly closed: () => void;
  /** Takes what interceptors throw. */
  readonly report: (error: unknown) => void;
}

type Handler<R, C> = (record: R, context: C) => void | Promise<void>;

/** Way of the records of a consumer to the program: they get types, and interceptors see them. */
export class TypedReading<K, V, I, R extends TypedRecord<K, V>> {
  readonly #parts: TypedReadingParts<K, V>;
  readonly #typed: (record: I) => R;

  /** Makes records typed by `typed`. */
  constructor(parts: TypedReadingParts<K, V>, typed: (record: I) => R) {
    this.#parts = parts;
    this.#typed = typed;
  }

  /** Typed record that the interceptors have seen, in their order. */
  seen(record: I): R {
    const { interceptors, report } = this.#parts;
    const typed = this.#typed(record);
    for (const { consume } of interceptors) if (consume !== undefined) guard(() => consume(typed), report);
    return typed;
  }

  /** Handler of records for one of typed records, within the interceptors, of which the first is outermost. */
  handler<C>(handler: Handler<R, C>): Handler<I, C> {
    const around = this.#parts.interceptors
      .flatMap(({ handle }) => (handle === undefined ? [] : [handle]))
      .toReversed();
    return (record, context) => {
      const typed = this.seen(record);
      let work = (): void | Promise<void> => handler(typed, context);
      for (const handle of around) {
        const inner = work;
        work = () => handle(typed, async () => inner());
      }
      return work();
    };
  }

  /** Rule about records that have failed for one about typed records; none for none. */
  failed<F>(rule: ((record: R, error: unknown) => F) | undefined): {
    readonly failed?: (record: I, error: unknown) => F;
  } {
    return rule === undefined ? {} : { failed: (record, error) => rule(this.#typed(record), error) };
  }
}
