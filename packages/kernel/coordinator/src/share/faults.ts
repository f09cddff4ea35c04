import { Errors, type ProtocolError } from "@samsa/protocol";
import { AcknowledgeType, RecordState, type Slot } from "./in-flight.ts";
import type { AcknowledgementBatch } from "./requests.ts";

/** Error of an acknowledgement, with its message for the member. */
export type Fault = readonly [error: ProtocolError, message: string];

/** Error of records that are not as an acknowledgement takes them to be. */
export function invalidState(message: string): Fault {
  return [Errors.INVALID_RECORD_STATE, message];
}

/** Error of acknowledge types that are unknown or do not fit the number of records; undefined if they are valid. */
export function typesFault({ firstOffset, lastOffset, acknowledgeTypes }: AcknowledgementBatch): Fault | undefined {
  const isKnown = (type: number): boolean => type >= AcknowledgeType.GAP && type <= AcknowledgeType.RENEW;
  const fits = acknowledgeTypes.length === 1 || acknowledgeTypes.length === lastOffset - firstOffset + 1;
  if (fits && acknowledgeTypes.every(isKnown)) return undefined;
  return [Errors.INVALID_REQUEST, `Invalid acknowledge type: [${acknowledgeTypes.join(", ")}]`];
}

/** Error of a member that has not acquired the slot; undefined if it has. */
export function ownershipFault(slot: Slot, memberId: string, what: "batch" | "offset"): Fault | undefined {
  if (slot.state !== RecordState.ACQUIRED) {
    const why = what === "batch" ? "The batch is not in the acquired state." : "The offset is not acquired.";
    return invalidState(`The ${what} cannot be acknowledged. ${why}`);
  }
  if (slot.memberId === memberId) return undefined;
  return invalidState(`Member is not the owner of ${what === "batch" ? "batch record" : "offset"}`);
}
