/** Measures how many records of 100 bytes a second a `RecordReader` gives out, checksums included. Run it with node. */
import { BatchBuilder } from "@samsa/records";
import { RecordReader } from "../../src/index.ts";
import { partition, Stage } from "./fetch-stage.ts";
import { tools } from "./model-log.ts";

const CHUNKS = 100;
const BATCHES = 10;
const RECORDS = 1000;
const value = new Uint8Array(100).fill(65);

function chunk(base: number): Uint8Array {
  const batches = Array.from({ length: BATCHES }, (_, i) => {
    const builder = new BatchBuilder({ baseOffset: base + i * RECORDS, leaderEpoch: 5 }, tools);
    for (let j = 0; j < RECORDS; j++) builder.append({ timestamp: 1_700_000_000_000 + j, key: null, value });
    return builder.build();
  });
  return Buffer.concat(batches);
}

const chunks = Array.from({ length: CHUNKS }, (_, i) => chunk(i * BATCHES * RECORDS));
for (let round = 0; round < 8; round++) {
  const stage = new Stage();
  stage.begin();
  let count = 0;
  const begun = process.hrtime.bigint();
  for (const records of chunks) {
    stage.answer(stage.one("fetch"), [partition(0, { records: [records] })], { sessionId: 1 });
    for (let taken = stage.fetcher.take(); taken instanceof RecordReader; taken = stage.fetcher.take()) {
      while (taken.next()) count++;
    }
  }
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  console.log(`${(count / seconds / 1e6).toFixed(1)} million records/s`);
}
