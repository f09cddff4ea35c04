/**
 * Outcome of a delivery (`AcknowledgeType`, KIP-932). "renew" is none: the record stays locked, for the whole time anew
 * (KIP-1222).
 */
export type AcknowledgeType =
  /** The record is processed. */
  | "accept"
  /** The record is to be delivered again, here or elsewhere, unless it has been delivered too often. */
  | "release"
  /** The record cannot be processed, and is not delivered again. */
  | "reject"
  | "renew";

/** True for a type that an application may give. */
export function isAcknowledgeType(type: string): type is AcknowledgeType {
  return type !== "gap" && Object.hasOwn(ACKNOWLEDGE_CODES, type);
}

/** Codes of the types in requests. A gap is an acquired offset without a record for applications. */
export const ACKNOWLEDGE_CODES = { gap: 0, accept: 1, release: 2, reject: 3, renew: 4 } as const satisfies Record<
  AcknowledgeType | "gap",
  number
>;
