import { BufferPool, type Env } from "@samsa/base";
import type { RemoteJudge } from "@samsa/broker";
import { BatchJudge } from "@samsa/records";
import type { Prng } from "./prng.ts";

/** Judges some batches later, the second perhaps before the first. */
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

/** Wipes what comes back at once: whoever still looks at it is found out. */
export class WipedBuffers extends BufferPool {
  constructor() {
    super(1);
  }

  protected override freed(buffer: Uint8Array): void {
    buffer.fill(0xee);
  }
}
