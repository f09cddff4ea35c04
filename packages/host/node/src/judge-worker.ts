/** Worker thread of `nodeJudge`: validates batches in order of arrival. */
import { parentPort } from "node:worker_threads";
import { BatchJudge, type JudgeRules } from "@samsa/records";
import { nodeCodecs } from "./codecs.ts";
import { nodeCrc32c } from "./crc32c.ts";

interface Asked {
  readonly id: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rules: JudgeRules;
  readonly now: number;
}

const judge = new BatchJudge({ crc32c: nodeCrc32c(), codecs: nodeCodecs() });

parentPort?.on("message", ({ id, bytes, rules, now }: Asked) => {
  try {
    const judgement = judge.judge(bytes, rules, now);
    // Transfer the memory instead of copying it, unless the batch is a view of a larger buffer.
    const { buffer, byteLength } = judgement.bytes;
    const own = buffer.byteLength === byteLength ? judgement.bytes : judgement.bytes.slice();
    parentPort?.postMessage({ id, judgement: { ...judgement, bytes: own } }, [own.buffer as ArrayBuffer]);
  } catch (error) {
    parentPort?.postMessage({ id, failure: String(error) });
  }
});
