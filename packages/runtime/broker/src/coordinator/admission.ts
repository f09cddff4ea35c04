import type { ProducerEpoch, ProducerId } from "@samsa/base";
import type { TxnPartitions } from "@samsa/coordinator";

/**
 * Abilities of a client, derived from the request version (`AddPartitionsToTxnManager.TransactionSupportedOperation`).
 */
export interface ClientAbility {
  /** True if the broker adds partitions to the client's transactions, each of which has a new epoch (KIP-890). */
  readonly addsByWriting: boolean;
  /** True if the client knows TRANSACTION_ABORTABLE. */
  readonly knowsAbortable: boolean;
}

/** A transactional write to partitions that may not be part of the transaction yet. */
export interface Admission {
  readonly transactionalId: string;
  readonly producer: { readonly id: ProducerId; readonly epoch: ProducerEpoch };
  readonly partitions: TxnPartitions;
  readonly ability: ClientAbility;
  /** True to wait a little for the previous transaction to complete. */
  readonly patient: boolean;
}
