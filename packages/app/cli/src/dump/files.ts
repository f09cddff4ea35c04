import { type Disk, type DiskEntry, type DiskFile, type Env, fromUtf8 } from "@samsa/base";
import {
  EPOCH_FILE,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetOfFile,
  PARTITION_FILE,
  readEpochs,
  readOffsets,
  readSnapshot,
  readTopicId,
  SNAPSHOT_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from "@samsa/log";
import { parseQuorumState } from "@samsa/protocol";
import { parseCheckpointName } from "@samsa/quorum";
import { readMetaProperties, readWhole } from "@samsa/storage";
import { Failure } from "../terminal/failure.ts";
import { decoderFor } from "./decode.ts";
import { type Entry, problem, reasonOf } from "./entry.ts";
import { type IndexSource, offsetIndexEntries, timeIndexEntries, txnIndexEntries } from "./index-files.ts";
import { logEntries } from "./log-file.ts";

/** Options of a dump: records, index check, decoder by name, and maximum bytes of each log. */
export interface DumpOptions {
  readonly records: boolean;
  readonly check: boolean;
  readonly decode: string | undefined;
  readonly maxBytes: number;
}

interface Target {
  readonly env: Env;
  readonly path: string;
  /** File name without the suffixes of deleted or unfinished files. */
  readonly name: string;
  /** Name of the file's directory. */
  readonly directory: string;
  readonly options: DumpOptions;
}

type Reader = (target: Target) => Iterable<Entry>;

/** Maximum size of files that are read whole. Indexes may have 2^31 bytes, but are far smaller in practice. */
const LARGEST_WHOLE = 256 * 1024 * 1024;
const MARKS = /\.(?:deleted|cleaned|swap|part|tmp)$/;

function whole({ env, path }: Target): Uint8Array {
  const size = env.disk.stat(path)?.size ?? 0;
  if (size > LARGEST_WHOLE) throw new Failure(`${size} bytes are more than such a file can have`);
  const bytes = readWhole(env.disk, path);
  if (bytes === undefined) throw new Failure("the file has gone");
  return bytes;
}

function* withFile(disk: Disk, path: string, read: (file: DiskFile) => Iterable<Entry>): Generator<Entry> {
  const file = disk.open(path, "read");
  try {
    yield* read(file);
  } finally {
    file.close();
  }
}

const readLog: Reader = ({ env, path, name, directory, options }) => {
  const decoder = decoderFor(options.decode, directory);
  const snapshot = name.endsWith(".checkpoint");
  const base = snapshot ? 0 : offsetOfFile(name, LOG_SUFFIX);
  const logOptions = {
    ...options,
    base,
    decoder: decoder ?? (snapshot ? decoderFor(options.decode ?? "metadata", "") : undefined),
  };
  return withFile(env.disk, path, file => logEntries(file, env, logOptions));
};

function readIndex(suffix: string, entries: (source: IndexSource) => Iterable<Entry>): Reader {
  return function* (target) {
    const { env, path, name, options } = target;
    const base = Math.max(0, offsetOfFile(name, suffix));
    const log = `${path.slice(0, path.lastIndexOf(name))}${name.slice(0, -suffix.length)}${LOG_SUFFIX}`;
    const source = { bytes: whole(target), base, env, log: undefined };
    if (!options.check) return yield* entries(source);
    if (env.disk.stat(log) === undefined) {
      yield* entries(source);
      return yield problem("there is no log to check against");
    }
    yield* withFile(env.disk, log, file => entries({ ...source, log: file }));
  };
}

const readProducers: Reader = target =>
  readSnapshot(whole(target), target.env.crypto.crc32c).map(entry => {
    const { batches, ...facts } = entry;
    return { kind: "producer", facts: { ...facts, ...batches[0] } };
  });

function facts(read: (bytes: Uint8Array) => object): Reader {
  return target =>
    Object.entries(read(whole(target))).map(([name, value]) => ({ kind: "fact", facts: { name, value } }));
}

/** Readers by pattern of the file name; the first match counts. */
const READERS: readonly (readonly [RegExp, Reader])[] = [
  [/^\d{20}\.log$/, readLog],
  [/\.checkpoint$/, readLog],
  [/^\d{20}\.index$/, readIndex(OFFSET_INDEX_SUFFIX, offsetIndexEntries)],
  [/^\d{20}\.timeindex$/, readIndex(TIME_INDEX_SUFFIX, timeIndexEntries)],
  [/^\d{20}\.txnindex$/, readIndex(TXN_INDEX_SUFFIX, txnIndexEntries)],
  [new RegExp(`^\\d{20}\\${SNAPSHOT_SUFFIX}$`), readProducers],
  [
    new RegExp(`^${EPOCH_FILE}$`),
    target => readEpochs(whole(target)).map(facts => ({ kind: "epoch", facts: { ...facts } })),
  ],
  [
    /^[a-z-]+-offset-checkpoint$/,
    target => readOffsets(whole(target)).map(facts => ({ kind: "checkpoint", facts: { ...facts } })),
  ],
  [new RegExp(`^${PARTITION_FILE}$`), facts(bytes => ({ topicId: readTopicId(bytes) ?? "none" }))],
  [/^meta\.properties$/, facts(readMetaProperties)],
  [/^quorum-state$/, facts(bytes => parseQuorumState(fromUtf8(bytes)))],
];

function readerOf(name: string): Reader | undefined {
  return READERS.find(([pattern]) => pattern.test(name))?.[1];
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Yields the entries of one file. Unreadable parts become problem entries. */
export function* fileEntries(env: Env, path: string, options: DumpOptions): Generator<Entry> {
  const name = nameOf(path).replace(MARKS, "");
  const directory = nameOf(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  const reader = readerOf(name);
  if (reader === undefined) return yield problem("not a file of a log directory that this command knows");
  const snapshot = parseCheckpointName(name);
  if (snapshot !== undefined) {
    yield { kind: "fact", facts: { name: "snapshot", value: { offset: snapshot.offset, epoch: snapshot.epoch } } };
  }
  try {
    yield* reader({ env, path, name, directory, options });
  } catch (error) {
    yield problem(reasonOf(error));
  }
}

/**
 * Files to show for `path`: the file itself, or the known files of a directory and of its subdirectories. Empty files
 * in subdirectories are left out, since a broker has hundreds of them.
 */
export function filesAt(disk: Disk, path: string): string[] {
  const stat = disk.stat(path);
  if (stat === undefined) throw new Failure(`${path}: no such file or directory`);
  if (!stat.directory) return [path];
  return [
    ...knownFiles(disk, path),
    ...listed(disk, path).flatMap(({ name, directory }) =>
      directory ? knownFiles(disk, `${path}/${name}`).filter(file => (disk.stat(file)?.size ?? 0) > 0) : [],
    ),
  ];
}

const listed = (disk: Disk, path: string): DiskEntry[] =>
  [...disk.list(path)].sort((a, b) => (a.name < b.name ? -1 : 1));

function knownFiles(disk: Disk, path: string): string[] {
  return listed(disk, path)
    .filter(({ name, directory }) => !directory && readerOf(name.replace(MARKS, "")) !== undefined)
    .map(({ name }) => `${path}/${name}`);
}
