import type { Apis, Draft, Infer } from "@samsa/protocol";

/** APIs that a replica of the metadata log serves on the controller listeners. */
export type RaftApi =
  | "Vote"
  | "BeginQuorumEpoch"
  | "EndQuorumEpoch"
  | "Fetch"
  | "FetchSnapshot"
  | "DescribeQuorum"
  | "AddRaftVoter"
  | "RemoveRaftVoter"
  | "UpdateRaftVoter";
/** Body of a request. */
export type RaftRequest<N extends RaftApi> = Infer<(typeof Apis)[N]["request"]>;
/** Body of a response. */
export type RaftResponse<N extends RaftApi> = Draft<(typeof Apis)[N]["response"]>;
/** Answers a request, once. `sent` is called once the memory that the response refers to may be reused, or never. */
export type RaftReply<N extends RaftApi> = (response: RaftResponse<N>, sent?: () => void) => void;
