/** The metadata in this directory cannot be used by this node; the message states the reason in one sentence. */
export class QuorumError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "QuorumError";
  }
}

/** This node does not lead the quorum, or no longer: nothing was appended (`NotLeaderException`). */
export class NotLeaderError extends Error {
  constructor() {
    super("this node does not lead the quorum");
    this.name = "NotLeaderError";
  }
}
