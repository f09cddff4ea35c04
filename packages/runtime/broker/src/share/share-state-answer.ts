import type { LeaderEpoch, WireOffset } from "@samsa/base";

/** Response of the share coordinator for a share partition; the fields depend on the request. */
export interface ShareStateAnswer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly stateEpoch?: number;
  readonly startOffset?: WireOffset;
  readonly leaderEpoch?: LeaderEpoch;
  readonly deliveryCompleteCount?: number;
  readonly stateBatches?: readonly {
    readonly firstOffset: WireOffset;
    readonly lastOffset: WireOffset;
    readonly deliveryState: number;
    readonly deliveryCount: number;
  }[];
}
