import { type BatchJudge, DECOMPRESSED_LIMIT, type Judgement, type JudgeRules } from "@samsa/records";

/** Validates batches off the event loop. */
export interface RemoteJudge {
  /** True if a batch should be validated off the event loop. */
  wants(bytes: Uint8Array, rules: JudgeRules): boolean;
  /** Validates a batch. Takes ownership of the whole buffer of `bytes`. Rejects if the batch could not be validated. */
  judge(bytes: Uint8Array, rules: JudgeRules, now: number): Promise<Judgement>;
}

/** Validates produced batches: small ones at once, large ones on another thread if there is one. */
export class Judging {
  readonly #local: BatchJudge;
  readonly #remote: RemoteJudge | undefined;

  constructor(local: BatchJudge, remote: RemoteJudge | undefined) {
    this.#local = local;
    this.#remote = remote;
  }

  /** True if a batch should be validated with `later`. */
  isLarge(bytes: Uint8Array, rules: JudgeRules): boolean {
    return this.#remote?.wants(bytes, rules) === true;
  }

  now(bytes: Uint8Array, rules: JudgeRules, now: number): Judgement {
    return this.#local.judge(bytes, rules, now);
  }

  /** Validates a large batch. Takes ownership of `bytes`. Rejects if the batch could not be validated. */
  async later(bytes: Uint8Array, rules: JudgeRules, now: number): Promise<Judgement> {
    const whole = { ...rules, validation: { ...rules.validation, decompressedLimit: DECOMPRESSED_LIMIT } };
    return (this.#remote ?? this.#local).judge(bytes, whole, now);
  }
}
