/** A member of its group, as requests about offsets name it. */
export interface MemberIdentity {
  readonly memberId: string;
  /** Generation of a classic group, or member epoch (KIP-848). */
  readonly epoch: number;
  readonly instanceId: string | null;
  /** The member joins again: the coordinator may already have begun a generation that the member does not know. */
  readonly isRebalancing: boolean;
}
