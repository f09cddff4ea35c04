export { Alarm } from "./time/alarm.ts";
export { entryAt, invariant, InvariantError, lastEntry } from "./assert.ts";
export { fromBase64, fromBase64Url, toBase64, toBase64Url } from "./text/base64.ts";
export type {
  BrokerEpoch,
  BrokerId,
  Int64,
  LeaderEpoch,
  Offset,
  PartitionEpoch,
  PartitionIndex,
  ProducerEpoch,
  ProducerId,
  WireOffset,
} from "./brands.ts";
export { BufferPool } from "./buffer-pool.ts";
export {
  addI64,
  ByteReader,
  ByteWriter,
  compareI64,
  concat,
  fromUtf8,
  getI64,
  getOffset,
  joined,
  MalformedError,
  nearestNumber,
  OutputLimitError,
  sameBytes,
  setI64,
  subtractI64,
  toInt64,
  utf8,
  utf8Length,
  viewOf,
} from "./bytes.ts";
export {
  type AnyConfigSpec,
  CONFIG_TYPE_IDS,
  ConfigError,
  type ConfigSpec,
  type ConfigSpecs,
  configSpecs,
  type ConfigType,
  type ConfigValues,
  overrideConfig,
  parseConfig,
  parseConfigValue,
  shownConfigValue,
  specOf,
  type UpdateMode,
} from "./config.ts";
export { crc32c } from "./crc32c.ts";
export { DecompressionBuffer } from "./decompression-buffer.ts";
export {
  type BlockCodecs,
  type Clock,
  type CodecId,
  type Connection,
  type ConnectionHandler,
  type ConnectOptions,
  type Crc32c,
  type Crypto,
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskFile,
  type DiskLock,
  type DiskSpace,
  type DiskStat,
  type Env,
  type HashName,
  type Http,
  type HttpRequest,
  type HttpResponse,
  type Listener,
  type Millis,
  type Network,
  NetworkError,
  type OpenMode,
  type Pattern,
  type Random,
  type Timer,
  type Timers,
  type TlsClientOptions,
  type TlsServerOptions,
  type TlsStore,
  TlsError,
  type TlsFault,
  type TlsOptions,
  type TlsProtocol,
  type TlsSource,
  type TokenKeys,
  type UnsignedToken,
  type VerifiedToken,
} from "./env.ts";
export { type BackoffOptions, ExponentialBackoff } from "./exponential-backoff.ts";
export { guard, guardEach, type Report } from "./guard.ts";
export { DeadlineHeap } from "./time/deadline-heap.ts";
export { ignored } from "./ignored.ts";
export { duplicates, groupBy, sameItems, splitList } from "./lists.ts";
export {
  isLogger,
  isLogLevel,
  limited,
  type LineLimit,
  type LogFields,
  type Logger,
  LOGGERS,
  type LoggerName,
  LOG_LEVELS,
  type LogLevel,
  LogLevels,
  named,
} from "./text/loggers.ts";
export { javaStringHash, murmur2 } from "./murmur2.ts";
export { toHex } from "./text/hex.ts";
export { messageOf } from "./text/message-of.ts";
export { nearest } from "./text/nearest.ts";
export { parseProperties } from "./text/properties.ts";
export { checkTransition, type PreviousStates } from "./transition.ts";
export {
  isReservedDirectory,
  LOST_DIRECTORY,
  METADATA_TOPIC_ID,
  MIGRATING_DIRECTORY,
  parseUuid,
  randomJavaUuid,
  randomUuid,
  UNASSIGNED_DIRECTORY,
  type Uuid,
  uuidFromBytes,
  uuidToBytes,
  ZERO_UUID,
} from "./uuid.ts";
export { VERSION } from "./version.ts";
export { xxh3 } from "./xxh3.ts";
export { type Digest128, sipHash128 } from "./siphash.ts";
export { SortedMap, SortedMapEdit } from "./sorted-map.ts";
