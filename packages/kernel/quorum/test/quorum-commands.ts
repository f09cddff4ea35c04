import { type BlockCodecs, concat, crc32c, MalformedError, randomUuid, type Uuid } from "@samsa/base";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import {
  checkpointName,
  controlBatch,
  decodeSnapshot,
  encodeSnapshot,
  latestCheckpoint,
  metadataBatch,
  parseCheckpointName,
  type ElectionState,
  RaftLog,
  RaftNode,
  readMetadataBatches,
  type Snapshot,
  VoterHistory,
} from "@samsa/quorum";
import type { ControlRecord, Tools, VoterDescription } from "@samsa/records";
import { type Command, shown, type Special } from "../../coordinator/test/transcript.ts";

// The metadata log is never compressed.
const tools: Tools = { crc32c, codecs: {} as BlockCodecs };

const NODES = [1, 2];
const TIMES = {
  electionTimeoutMs: 1000,
  electionBackoffMaxMs: 1000,
  fetchTimeoutMs: 2000,
  requestTimeoutMs: 2000,
  retryBackoffMs: 20,
};

function directoryOf(id: number): Uuid {
  return randomUuid(length => new Uint8Array(length).fill(id));
}

/** Shows directory ids by the number of their node. */
const special: Special = (name, value) =>
  name === "directoryId" ? NODES.flatMap(id => (directoryOf(id) === value ? [`dir${id}`] : []))[0] : undefined;

function voter(id: number, port: number): VoterDescription {
  const endpoints = [{ name: "CONTROLLER", host: `host${id}`, port }];
  return { id, directoryId: directoryOf(id), endpoints, minKraftVersion: 0, maxKraftVersion: 1 };
}

/** Plays the commands of transcripts of the quorum: the files of one node, which is the only voter unless told otherwise. */
export class QuorumCommands {
  #now = 1000;
  #epoch = 0;
  #port = 9093;
  #voters: readonly VoterDescription[] = [voter(1, 9093)];
  #state: ElectionState | undefined;
  /** Batches of the log, from its start on. */
  #log: Uint8Array[] = [];
  readonly #snapshots = new Map<string, Uint8Array>();

  readonly play = (command: Command): string[] => {
    const { verb, words } = command;
    this.#now += 1000;
    switch (verb) {
      case "format":
        return this.#snapshot(command);
      case "voters":
        this.#voters = words.map(id => voter(Number(id), 9093));
        return [];
      case "endpoint":
        this.#port = Number(words[0]);
        return [];
      case "begin":
        return this.#begin();
      case "append":
        return this.#append(command);
      case "snapshot":
        return this.#snapshot(command);
      case "write-torn-snapshot":
        return this.#tear(command);
      case "delete-log":
        this.#log = [];
        return [];
      case "cut":
        return this.#cut(Number(words[0]));
      case "read":
        return this.#read();
      case "files":
        return [...this.#snapshots.keys()].toSorted();
      default:
        throw new Error(`no command ${verb}`);
    }
  };

  /** Newest complete snapshot, with its offset and epoch. */
  #newest(): (Snapshot & { readonly offset: number; readonly epoch: number }) | undefined {
    const id = latestCheckpoint([...this.#snapshots.keys()]);
    const bytes = id && this.#snapshots.get(checkpointName(id));
    return id === undefined || bytes === undefined ? undefined : { ...decodeSnapshot(bytes, tools), ...id };
  }

  #end(): { readonly offset: number; readonly epoch: number } {
    let end = { offset: this.#newest()?.offset ?? 0, epoch: this.#newest()?.epoch ?? 0 };
    for (const { lastOffset, epoch } of readMetadataBatches(concat(this.#log), tools))
      end = { offset: lastOffset + 1, epoch };
    return end;
  }

  /** Voters, from the log and the snapshot before it. */
  #history(): VoterHistory {
    const history = new VoterHistory([]);
    const newest = this.#newest();
    const voters = newest === undefined || newest.offset === 0 ? this.#voters : (newest.voters ?? []);
    history.restart(newest?.offset ?? 0, { kraftVersion: 1, voters });
    for (const { baseOffset, control } of readMetadataBatches(concat(this.#log), tools)) {
      history.take(baseOffset, control);
    }
    return history;
  }

  /** Starts the replica, and lets its first flush end. */
  #begin(): string[] {
    const end = this.#end();
    const node = new RaftNode({
      self: voter(1, this.#port),
      canVote: true,
      voters: this.#history(),
      state: this.#state,
      log: new RaftLog({
        epochs: end.epoch === 0 ? [] : [{ epoch: end.epoch, startOffset: 0 }],
        endOffset: end.offset,
      }),
      times: TIMES,
      draw: () => 0,
      now: this.#now,
    });
    const lines: string[] = [];
    const effects = node.step({ type: "tick", now: this.#now });
    for (const effect of effects) {
      if (effect.type === "save") this.#state = effect.state;
      if (effect.type === "control") lines.push("append", ...this.#appendControl(effect.run.baseOffset, effect));
      if (effect.type === "flush") {
        node.step({ type: "flushed", generation: effect.generation, offset: effect.offset, now: this.#now });
      }
    }
    this.#epoch = node.epoch;
    const { role, epoch, leaderId } = node;
    return [`${role}, epoch ${epoch}, leader ${leaderId ?? "unknown"}, high watermark ${node.highWatermark}`, ...lines];
  }

  #appendControl(
    baseOffset: number,
    { run, records }: { readonly run: { readonly epoch: number }; readonly records: readonly ControlRecord[] },
  ): string[] {
    const batch = controlBatch(records, { baseOffset, epoch: run.epoch, timestamp: this.#now }, tools);
    this.#log.push(batch);
    return batchLines(batch);
  }

  #append(command: Command): string[] {
    const place = { baseOffset: this.#end().offset, epoch: this.#epoch, timestamp: this.#now };
    const batch = metadataBatch(recordsOf(command), place, tools);
    this.#log.push(batch);
    return ["append", ...batchLines(batch)];
  }

  /** Writes a snapshot of all that is in the newest one and in the log after it. */
  #snapshot(command: Command): string[] {
    const end = this.#end();
    const own = recordsOf(command);
    const logged = [...readMetadataBatches(concat(this.#log), tools)].flatMap(batch => batch.records);
    const all = [...(this.#newest()?.records ?? []), ...logged, ...own];
    // The image has one level for each feature, the last.
    const latest = new Map(all.map(record => ["name" in record.value ? record.value.name : record.type, record]));
    const records = [...latest.values()];
    const snapshot = {
      lastContainedLogTimestamp: this.#now - 1000,
      kraftVersion: 1,
      voters: this.#history().last.set.voters,
      records,
    };
    const batches = encodeSnapshot(end, { ...snapshot, writtenAt: this.#now }, tools);
    this.#snapshots.set(checkpointName(end), concat(batches));
    return [`write ${checkpointName(end)}`, ...batches.flatMap(batchLines)];
  }

  /** Leaves a snapshot that a crash has cut short. */
  #tear(command: Command): string[] {
    const end = this.#end();
    const name = checkpointName(end, ".part");
    const batches = encodeSnapshot(
      end,
      {
        lastContainedLogTimestamp: 0,
        kraftVersion: 1,
        voters: this.#voters,
        records: recordsOf(command),
        writtenAt: 0,
      },
      tools,
    );
    const torn = concat(batches.slice(0, -1));
    this.#snapshots.set(name, torn);
    const complete = parseCheckpointName(name)?.complete === true ? "complete" : "not complete";
    return [`write ${name}, which is ${complete}: ${faultOf(() => decodeSnapshot(torn, tools))}`];
  }

  /** Cuts bytes from the end of the log, as a power cut may. */
  #cut(bytes: number): string[] {
    const whole = concat(this.#log);
    const left = whole.subarray(0, whole.length - bytes);
    const fault = faultOf(() => [...readMetadataBatches(left, tools)]);
    this.#log.pop();
    return [`${fault}: the log is truncated there`];
  }

  #read(): string[] {
    const newest = this.#newest();
    const head = newest === undefined ? [] : [`snapshot of offset ${newest.offset}, epoch ${newest.epoch}`];
    return [...head, ...(newest?.records ?? []).map(recordLine), ...this.#log.flatMap(batchLines)];
  }
}

function faultOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof MalformedError) return error.message;
    throw error;
  }
  return "no fault";
}

/** Records that a command names: levels of features, as `name=level`. */
function recordsOf(command: Command): MetadataRecord[] {
  return [...command.rest()].map(([name, level]) =>
    metadataRecord("FeatureLevelRecord", 0, { name, featureLevel: Number(level) }),
  );
}

function recordLine(record: MetadataRecord): string {
  return `  ${shown(record.type, record.value, special).join(" ")}`;
}

function controlLines({ type, ...fields }: ControlRecord): string[] {
  return shown(type, fields, special).map(line => `  ${line}`);
}

function batchLines(bytes: Uint8Array): string[] {
  return [...readMetadataBatches(bytes, tools)].flatMap(({ baseOffset, lastOffset, epoch, records, control }) => [
    `offsets ${baseOffset} to ${lastOffset}, epoch ${epoch}`,
    ...control.flatMap(controlLines),
    ...records.map(recordLine),
  ]);
}
