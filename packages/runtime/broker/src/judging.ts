import { type BatchJudge, DECOMPRESSED_LIMIT, type Judgement, type JudgeRules } from "@samsa/records";

/** Validates batches somewhere else than on the event loop. */
export interface RemoteJudge {
  /** True when a batch should be validated there. */
  wants(bytes: Uint8Array, rules: JudgeRules): boolean;
  /** Takes `bytes` over, all of their buffer. Rejects when the batch could not be validated. */
  judge(bytes: Uint8Array, rules: JudgeRules, now: number): Promise<Judgement>;
}

/** Validates produced batches: small ones at once, large ones on another thread where there is one. */
export class Judging {
  readonly #local: BatchJudge;
  readonly #remote: RemoteJudge | undefined;

  constructor(local: BatchJudge, remote: RemoteJudge | undefined) {
    this.#local = local;
    this.#remote = remote;
  }

  /** True when a batch is better validated by `later`. */
  isLarge(bytes: Uint8Array, rules: JudgeRules): boolean {
    return this.#remote?.wants(bytes, rules) === true;
  }

  now(bytes: Uint8Array, rules: JudgeRules, now: number): Judgement {
    return this.#local.judge(bytes, rules, now);
  }

  /** Takes `bytes` over. Rejects when the batch could not be validated. */
  async later(bytes: Uint8Array, rules: JudgeRules, now: number): Promise<Judgement> {
    const whole = { ...rules, validation: { ...rules.validation, decompressedLimit: DECOMPRESSED_LIMIT } };
    return (this.#remote ?? this.#local).judge(bytes, whole, now);
  }
}
