import { BufferPool, type Env } from "@samsa/base";
import type { RemoteJudge } from "@samsa/broker";
import { BatchJudge } from "@samsa/records";
import type { Prng } from "../world/prng.ts";

/** Validates one batch in five asynchronously, so that verdicts may arrive out of order. */
export function slowJudge(env: Env, rng: Prng): RemoteJudge {
  const judge = new BatchJudge({ crc32c: env.crypto.crc32c, codecs: env.codecs });
  return {
    wants: () => rng.chance(0.2),
    judge: (bytes, rules, now) =>
      new Promise(resolve => {
        env.timers.after(rng.int(0, 20), () => resolve(judge.judge(bytes, rules, now)));
      }),
  };
}

/** Overwrites returned buffers at once, so that a use after release shows as damage. */
export class WipedBuffers extends BufferPool {
  constructor() {
    super(1);
  }

  protected override freed(buffer: Uint8Array): void {
    buffer.fill(0xee);
  }
}
