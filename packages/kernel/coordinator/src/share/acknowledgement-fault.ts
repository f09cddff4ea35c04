import { Errors, type ProtocolError } from "@samsa/protocol";
import { RecordState, type Slot } from "./in-flight.ts";

/** Error of an acknowledgement, with its message. */
export type Fault = readonly [error: ProtocolError, message: string];

export function invalidState(message: string): Fault {
  return [Errors.INVALID_RECORD_STATE, message];
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
