/** Small, plausible mistake in one of the sources of a replica. */
export interface Mutant {
  readonly name: string;
  /** File in `src/raft`. */
  readonly file: string;
  /** Text to replace. Occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Seed that is tried first, for a mistake that few histories show; default 1. */
  readonly seed?: number;
}

/** Mistakes that the random histories must find (section 8 of the Raft dissertation tells most of them). */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "a vote is answered before it is durable",
    file: "raft-state.ts",
    find: "votedKey: candidate, electionAt: this.electionAt() };\n    this.save();",
    replace: "votedKey: candidate, electionAt: this.electionAt() };",
  },
  {
    name: "a candidate's own vote is not durable",
    file: "raft-state.ts",
    find: "    this.peers.reset();\n    this.save();",
    replace: '    this.peers.reset();\n    if (role.name !== "CANDIDATE") this.save();',
  },
  {
    name: "a vote is forgotten at a restart",
    file: "raft-state.ts",
    find: "if (leaderId === undefined) return this.#unattached(undefined, votedKey);",
    replace: "if (leaderId === undefined) return this.#unattached(undefined, undefined);",
    seed: 313,
  },
  {
    name: "a leader leads on in its epoch after a restart",
    file: "raft-state.ts",
    find: 'return { name: "RESIGNED", successors: [], untold: new Set(), electionAt: this.#timeoutAt() };',
    replace:
      'return { name: "CANDIDATE", election: new Election(this.voters, this.self.id), electionAt: this.#timeoutAt() };',
  },
  {
    name: "a candidate need not be up to date",
    file: "raft-node.ts",
    find: "const isUpToDate = end.epoch > own.epoch || (end.epoch === own.epoch && end.offset >= own.offset);",
    replace: "const isUpToDate = end.offset >= 0 || own.offset >= 0;",
  },
  {
    name: "only the length of a candidate's log counts",
    file: "raft-node.ts",
    find: "const isUpToDate = end.epoch > own.epoch || (end.epoch === own.epoch && end.offset >= own.offset);",
    replace: "const isUpToDate = end.offset >= own.offset;",
  },
  {
    name: "records of an earlier epoch raise the high watermark",
    file: "leadership.ts",
    find: "if (offset <= this.#start.startOffset || offset <= this.#highWatermark) return false;",
    replace: "if (offset <= this.#highWatermark) return false;",
  },
  {
    name: "the leader counts its own records before they are durable",
    file: "raft-node.ts",
    find: 'if (role.name !== "LEADER" || !role.leadership.flushed(this.#state.log.flushedTo)) return;',
    replace: 'if (role.name !== "LEADER" || !role.leadership.flushed(this.#state.log.endOffset)) return;',
  },
  {
    name: "a follower promises records before they are durable",
    file: "raft-state.ts",
    find: "return !this.canVote || this.log.flushedTo >= this.log.endOffset;",
    replace: "return true;",
  },
  {
    name: "a flush from before a truncation counts",
    file: "raft-log.ts",
    find: "if (generation === this.#generation) this.#flushedTo = Math.max(this.#flushedTo, offset);",
    replace: "this.#flushedTo = Math.min(this.#endOffset, Math.max(this.#flushedTo, offset, generation - generation));",
    seed: 163,
  },
  {
    name: "observers count towards the high watermark",
    file: "leadership.ts",
    find: "const offset = ends.toSorted(",
    replace:
      "for (const { endOffset } of this.#observers.values()) ends.push(endOffset);\n    const offset = ends.toSorted(",
  },
  {
    name: "a removed voter counts towards the high watermark",
    file: "leadership.ts",
    find: "    this.#voters = voters;\n    this.#voterProgress = new Map();",
    replace:
      "    if (voters.length > this.#voters.length) this.#voters = voters;\n    this.#voterProgress = new Map();",
  },
  {
    name: "the voters stay when the log is truncated",
    file: "raft-node.ts",
    find: "      this.#state.history.truncate(offset);\n",
    replace: "",
  },
  {
    name: "two changes of the voters overlap",
    file: "voter-changes.ts",
    find: 'if (offset >= leadership.highWatermark) {\n      this.#answer(ticket, Errors.REQUEST_TIMED_OUT, "the last',
    replace: 'if (offset >= Infinity) {\n      this.#answer(ticket, Errors.REQUEST_TIMED_OUT, "the last',
    seed: 136,
  },
  {
    name: "a leader stays without a majority",
    file: "leadership.ts",
    find: "return this.#voters.length === 1 && this.#isVoter ? Infinity : this.#checkAt;",
    replace: "return this.#voters.length === 0 && this.#isVoter ? this.#checkAt : Infinity;",
  },
  {
    name: "a truncation goes below the high watermark",
    file: "raft-log.ts",
    find: "return own.epoch === leader.epoch ? Math.min(own.offset, leader.offset) : own.offset;",
    replace: "return own.epoch === leader.epoch ? Math.min(own.offset, leader.offset) - 1 : own.offset - 1;",
  },
  {
    name: "logs that differ in an earlier epoch are not truncated",
    file: "raft-log.ts",
    find: "return own.epoch !== epoch || own.offset < offset ? { diverging: own } : undefined;",
    replace: "return own.offset < offset ? { diverging: own } : undefined;",
  },
  {
    name: "a part of a snapshot is installed",
    file: "raft-node.ts",
    find: "    if (end < size) return;\n",
    replace: "",
  },
  {
    name: "a snapshot does not bring its voters",
    file: "raft-node.ts",
    find: "this.#state.history.restart(id.offset, voters);",
    replace: "this.#state.history.trim(voters === undefined ? 0 : id.offset);",
  },
  {
    name: "a follower goes on above what the leader has deleted",
    file: "raft-log.ts",
    find: "if (startOffset > 0 && isBefore) return { snapshot };",
    replace: "if (startOffset < 0 && isBefore) return { snapshot };",
  },
  {
    name: "a pre-vote raises the epoch",
    file: "raft-state.ts",
    find: '    this.#enter(this.#epoch, {\n      name: "PROSPECTIVE",',
    replace: '    this.#enter(this.#epoch + 1, {\n      name: "PROSPECTIVE",',
  },
  {
    name: "records of a later epoch than the leader's are taken",
    file: "raft-node.ts",
    find: "    if (answer.epoch < this.#state.epoch) return;\n",
    replace: "",
  },
  {
    name: "a voter whose removal is not committed does not stand",
    file: "raft-state.ts",
    find: "return offset >= this.#highWatermark && isVoter(this.history.before(offset).voters, this.self);",
    replace: "return offset < -1;",
  },
];
