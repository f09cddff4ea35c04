import type { KafkaError } from "@samsa/client-kernel";
import type { RecordMetadata } from "@samsa/client-runtime";
import type { TypedRecord } from "./typed-record.ts";
import type { OutgoingTypedRecord } from "./outgoing-record.ts";

/** End of a record: its place, or the error for which it was not written. */
export type SendOutcome = { readonly metadata: RecordMetadata } | { readonly error: KafkaError };

/**
 * Sees the records of a producer (Java's `ProducerInterceptor`). An error that it throws is logged, and the record goes on
 * as it was.
 */
export interface ProducerInterceptor<K, V> {
  /** Returns the record to send, the same or a changed one. Called before key and value are serialized. */
  readonly send?: (record: OutgoingTypedRecord<K, V>) => OutgoingTypedRecord<K, V>;
  /** Called once for each record, as `send` of this interceptor returned it, with its end. */
  readonly acknowledged?: (record: OutgoingTypedRecord<K, V>, outcome: SendOutcome) => void;
}

/** Sees the records of a consumer (Java's `ConsumerInterceptor`). */
export interface ConsumerInterceptor<K, V> {
  /** Called with each record before the program gets it. An error that it throws is logged. */
  readonly consume?: (record: TypedRecord<K, V>) => void;
  /**
   * Runs around the handler of `run`, once for each attempt: it calls `handle` and returns its promise, for example within
   * a span. An error that it throws is one of the handler.
   */
  readonly handle?: (record: TypedRecord<K, V>, handle: () => Promise<void>) => Promise<void>;
}

/** A record on its way through the interceptors of a producer. */
export interface Intercepted<K, V> {
  readonly record: OutgoingTypedRecord<K, V>;
  /** Tells the interceptors of the end of the record. */
  readonly ended: (outcome: SendOutcome) => void;
}

/** Calls interceptors, in their order, and `report` with what they throw. */
export function intercept<K, V>(
  record: OutgoingTypedRecord<K, V>,
  interceptors: readonly ProducerInterceptor<K, V>[],
  report: (error: unknown) => void,
): Intercepted<K, V> {
  let current = record;
  const seen = interceptors.map(interceptor => {
    try {
      current = interceptor.send?.(current) ?? current;
    } catch (error) {
      report(error);
    }
    return current;
  });
  return {
    record: current,
    ended: outcome => {
      for (const [i, { acknowledged }] of interceptors.entries()) {
        try {
          acknowledged?.(seen[i] ?? current, outcome);
        } catch (error) {
          report(error);
        }
      }
    },
  };
}
