/** The metadata in this directory cannot be led by this node; the message states the reason in one sentence. */
export class QuorumError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "QuorumError";
  }
}
