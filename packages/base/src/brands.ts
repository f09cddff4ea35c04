/**
 * Signed 64-bit integer: a number below ±2^53, otherwise a bigint, never the other way round. So `===`, `<` and map
 * keys work as for numbers. The compiler refuses arithmetic; use `addI64` and `subtractI64`.
 */
export type Int64 = number | bigint;

declare const tag: unique symbol;

/**
 * `T` with a name that only the compiler sees. Plain values, literals and results of arithmetic are assignable to it; a
 * value of another name is not, nor may the two be compared with `===`. The tag is optional, so no value needs a cast.
 */
export type Branded<T, Name extends string> = T & { readonly [tag]?: Name };

/** Offset in the log of a partition; −1 and below are Kafka's special values. */
export type Offset = Branded<number, "Offset">;
/** Offset as a client or a peer sends it, which may be any 64-bit value. `nearestNumber` makes it an `Offset`. */
export type WireOffset = Branded<Int64, "Offset">;
/** Epoch of a partition's leader, the leader of the metadata log included; −1: none. */
export type LeaderEpoch = Branded<number, "LeaderEpoch">;
/** Version of a partition's state in the metadata, which every change of it increments. */
export type PartitionEpoch = Branded<number, "PartitionEpoch">;
/** Index of a partition in its topic. */
export type PartitionIndex = Branded<number, "PartitionIndex">;
/** `node.id` of a broker or controller; −1: none. */
export type BrokerId = Branded<number, "BrokerId">;
/** Epoch of a broker's registration; −1: none. */
export type BrokerEpoch = Branded<Int64, "BrokerEpoch">;
/** Id of an idempotent or transactional producer; −1: none. */
export type ProducerId = Branded<bigint, "ProducerId">;
/** Epoch of a producer id, of 16 bits; −1: none. */
export type ProducerEpoch = Branded<number, "ProducerEpoch">;
