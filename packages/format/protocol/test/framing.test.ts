import { BufferPool, ByteReader, concat, MalformedError, sameBytes, type Uuid } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatherWriter } from "../src/codec/gather.ts";
import * as p from "../src/index.ts";
import {
  remotePartitionDeleteMetadataRecord,
  shareUpdateKey,
  shareUpdateValue,
} from "../src/internal-records/index.ts";
import {
  encodeRemoteLogRecord,
  type GroupRecord,
  type RemoteLogRecord,
  type ShareRecord,
  type TransactionRecord,
} from "../src/record-frames.ts";

function framed(payload: Uint8Array): Uint8Array {
  const size = new Uint8Array(4);
  new DataView(size.buffer).setInt32(0, payload.length);
  return concat([size, payload]);
}

/** Cuts `stream` at `places`, taken modulo its length. */
function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map(place => place % (stream.length + 1)), stream.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, i) => stream.slice(at[i], end));
}

describe("frames", () => {
  it("come out whole however the stream is cut", () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    const property = fc.property(payloads, fc.array(fc.nat(), { maxLength: 12 }), (frames, places) => {
      const splitter = new p.FrameSplitter(1000, new BufferPool());
      const out = cut(concat(frames.map(framed)), places).flatMap(chunk => splitter.push(chunk));
      expect(out.map(frame => [...frame])).toEqual(frames.map(frame => [...frame]));
      expect(splitter.held()).toBe(0);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("outlive the chunk they came in", () => {
    const chunk = concat([framed(Uint8Array.of(1, 2)), framed(Uint8Array.of(3)), Uint8Array.of(0, 0, 0, 2, 4)]);
    const splitter = new p.FrameSplitter(100, new BufferPool());
    const frames = splitter.push(chunk);
    chunk.fill(9);
    expect(frames.map(frame => [...frame])).toEqual([[1, 2], [3]]);
    expect([...splitter.push(Uint8Array.of(5))[0]]).toEqual([4, 5]);
  });

  it("of a negative or too great size are refused", () => {
    for (const size of [0xff, 0x01]) {
      expect(() => new p.FrameSplitter(100, new BufferPool()).push(Uint8Array.of(size, 0, 0, 0))).toThrow(
        MalformedError,
      );
      const slow = new p.FrameSplitter(100, new BufferPool());
      slow.push(Uint8Array.of(size, 0));
      expect(() => slow.push(Uint8Array.of(0, 0))).toThrow(MalformedError);
    }
  });

  it("that only announce much hold little", () => {
    const splitter = new p.FrameSplitter(0x7fffffff, new BufferPool());
    splitter.push(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1));
    splitter.push(Uint8Array.of(2, 3));
    const { pending } = splitter as unknown as { pending: Uint8Array };
    expect(pending.length).toBeLessThan(70_000);
  });

  it("of many chunks grow geometrically", () => {
    const splitter = new p.FrameSplitter(1 << 26, new BufferPool());
    const chunk = new Uint8Array(1000);
    splitter.push(Uint8Array.of(0x01, 0, 0, 0));
    const buffers = new Set<unknown>();
    for (let sent = 0; sent < 1 << 24; sent += 1000) {
      splitter.push(chunk);
      buffers.add((splitter as unknown as { pending: Uint8Array }).pending);
    }
    expect(buffers.size).toBeLessThan(14);
  });
});

describe("record frames", () => {
  const topicId = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;

  it("carry metadata records", () => {
    const record = p.metadataRecord("TopicRecord", 0, { name: "foo", topicId });
    const bytes = p.encodeMetadataRecord(record);
    expect([...bytes.subarray(0, 7)]).toEqual([1, 2, 0, 4, 0x66, 0x6f, 0x6f]);
    expect(p.decodeMetadataRecord(bytes)).toEqual(record);
    expect(() => p.decodeMetadataRecord(concat([bytes, Uint8Array.of(0)]))).toThrow(MalformedError);
    for (const head of [
      [2, 2, 0],
      [1, 6, 0],
      [1, 2, 9],
      [0, 0, 0],
    ]) {
      expect(() => p.decodeMetadataRecord(Uint8Array.from(head))).toThrow(MalformedError);
    }
  });

  it("are the same when metadata records are encoded together", () => {
    const change = { topicId, partitionId: 1, isr: [1], leader: 1, eligibleLeaderReplicas: [], lastKnownElr: [2] };
    const records = [
      p.metadataRecord("TopicRecord", 0, { name: "n".repeat(5000), topicId }),
      p.metadataRecord("PartitionChangeRecord", 2, change),
      p.metadataRecord("PartitionChangeRecord", 2, { topicId, partitionId: 2 }),
      p.metadataRecord("NoOpRecord", 0, {}),
    ];
    expect(p.encodeMetadataRecords(records)).toEqual(records.map(p.encodeMetadataRecord));
    expect(p.encodeMetadataRecords([])).toEqual([]);
  });

  it("carry coordinator records", () => {
    const record: GroupRecord = {
      type: "OffsetCommit",
      key: { group: "g", topic: "t", partition: 3 },
      version: 3,
      value: p.offsetCommitValue.defaults({ offset: 7, leaderEpoch: 1, metadata: "", commitTimestamp: 5 }),
    };
    const bytes = p.encodeCoordinatorRecord(p.GROUP_RECORDS, record);
    expect([...bytes.key]).toEqual([0, 1, 0, 1, 0x67, 0, 1, 0x74, 0, 0, 0, 3]);
    expect(p.decodeCoordinatorRecord(p.GROUP_RECORDS, bytes)).toEqual(record);
    expect(p.decodeCoordinatorRecord(p.GROUP_RECORDS, { key: bytes.key, value: null })?.value).toBeNull();
    expect(p.decodeCoordinatorRecord(p.GROUP_RECORDS, { key: Uint8Array.of(0, 99), value: null })).toBeUndefined();
    const future = { key: bytes.key, value: Uint8Array.of(0, 9) };
    expect(() => p.decodeCoordinatorRecord(p.GROUP_RECORDS, future)).toThrow(MalformedError);
    const tables = [p.GROUP_RECORDS, p.TRANSACTION_RECORDS, p.SHARE_RECORDS];
    expect(tables.flatMap(table => Object.values(table)).every(({ key }) => key.last === 0)).toBe(true);
  });

  it("carry the records of transactions, share groups and tiered storage", () => {
    const transaction: TransactionRecord = {
      type: "TransactionLog",
      key: { transactionalId: "x" },
      version: 1,
      value: p.transactionLogValue.defaults({ producerId: 5n, previousProducerId: 4n }),
    };
    const share: ShareRecord = {
      type: "ShareUpdate",
      key: shareUpdateKey.defaults({ groupId: "g", topicId, partition: 1 }),
      version: 0,
      value: shareUpdateValue.defaults({ snapshotEpoch: 2 }),
    };
    const { TRANSACTION_RECORDS, SHARE_RECORDS } = p;
    const through = p.encodeCoordinatorRecord(TRANSACTION_RECORDS, transaction);
    expect(p.decodeCoordinatorRecord(TRANSACTION_RECORDS, through)).toEqual(transaction);
    expect(p.decodeCoordinatorRecord(SHARE_RECORDS, p.encodeCoordinatorRecord(SHARE_RECORDS, share))).toEqual(share);
    const value = remotePartitionDeleteMetadataRecord.defaults();
    const remote: RemoteLogRecord = { type: "RemotePartitionDeleteMetadataRecord", version: 0, value };
    expect(p.decodeRemoteLogRecord(encodeRemoteLogRecord(remote))).toEqual(remote);
  });

  it("spell quorum-state as Kafka does", () => {
    const text =
      '{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}';
    expect(p.formatQuorumState(p.parseQuorumState(text))).toBe(text);
    const newer = `{"leaderId":1,"leaderEpoch":2,"votedId":-1,"votedDirectoryId":"${topicId}","data_version":1}`;
    expect(p.formatQuorumState(p.parseQuorumState(newer))).toBe(newer);
    for (const bad of ["", "[]", "null", "{}", '{"data_version":1}']) {
      expect(() => p.parseQuorumState(bad)).toThrow(MalformedError);
    }
  });
});

describe("tables", () => {
  it("know headers", () => {
    expect(p.requestHeaderVersion(p.ApiKey.Fetch, 11)).toBe(1);
    expect(p.requestHeaderVersion(p.ApiKey.Fetch, 12)).toBe(2);
    expect(p.responseHeaderVersion(p.ApiKey.ApiVersions, 4)).toBe(0);
    expect(p.responseHeaderVersion(p.ApiKey.Metadata, 9)).toBe(1);
    expect(p.requestHeaderVersion(999, 0)).toBe(1);
    const writer = new GatherWriter();
    const header = { requestApiKey: 18, requestApiVersion: 3, correlationId: 7, clientId: "x" };
    p.requestHeader.encode(writer, header, 2);
    expect(sameBytes(writer.finish(), Uint8Array.of(0, 18, 0, 3, 0, 0, 0, 7, 0, 1, 0x78, 0))).toBe(true);
    expect(p.requestHeader.decode(new ByteReader(writer.finish()), 2)).toEqual(header);
  });

  it("know APIs and errors", () => {
    expect(p.APIS.length).toBe(91);
    expect(p.APIS.filter(api => api.lastStable !== api.last).map(api => api.name)).toEqual(["InitProducerId"]);
    for (const api of p.APIS) {
      expect(p.ApiKey[api.name as p.ApiName]).toBe(api.key);
      expect(p.apiOf(api.key)).toBe(api);
      expect([api.response.first, api.response.last, api.response.flexible]).toEqual([
        api.first,
        api.last,
        api.flexible,
      ]);
    }
    expect(p.Errors.UNKNOWN_TOPIC_OR_PARTITION.code).toBe(3);
    expect(p.errorOf(136).name).toBe("CONTROLLER_ID_NOT_REGISTERED");
    expect(p.errorOf(9999)).toBe(p.Errors.UNKNOWN_SERVER_ERROR);
  });
});
