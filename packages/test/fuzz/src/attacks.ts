import { concat, entryAt } from "@samsa/base";
import { ApiKey, apiOf } from "@samsa/protocol";
import { type BatchOptions, buildBatch, type Codec, type Tools } from "@samsa/records";
import type { Prng } from "@samsa/sim";
import { oddBatch } from "./odd-batches.ts";
import { connect, frame } from "./peer.ts";
import { type Surroundings, wildBody } from "./values.ts";

/** Listener under attack. */
export interface Target {
  readonly port: number;
  readonly role: "broker" | "controller";
  readonly around: Surroundings;
  /** APIs that the listener serves, by key, with their versions. */
  readonly apis: readonly { readonly key: number; readonly first: number; readonly last: number }[];
  readonly tools: Tools;
}

/** Response timeout of requests that the broker must not delay. */
const LIMIT_MS = 10_000;

/** Attack of one or more connections; rejects if the broker misbehaves. */
type Attack = (target: Target, rng: Prng) => Promise<void>;

const PATIENCE_MS = 150;

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

async function send(target: Target, ...chunks: readonly Uint8Array[]): Promise<void> {
  const connection = await connect(target.port);
  for (const chunk of chunks) connection.write(chunk);
  await connection.frame(PATIENCE_MS);
  connection.close();
}

function sized(payload: Uint8Array, size = payload.length): Uint8Array {
  const all = new Uint8Array(payload.length + 4);
  new DataView(all.buffer).setInt32(0, size);
  all.set(payload, 4);
  return all;
}

/** Random frame that the schema allows; undefined if encoding refuses the body. */
function wildFrame(target: Target, rng: Prng): Uint8Array | undefined {
  const { key, first, last } = rng.oneOf(target.apis);
  const version = rng.int(first, last);
  const request = apiOf(key)?.request;
  if (request === undefined) return undefined;
  try {
    return frame(key, version, wildBody(request, version, rng, target.around), rng.int(0, 1000));
  } catch {
    return undefined;
  }
}

/** Flips bits of a byte, if there is one at `at`. */
function flip(bytes: Uint8Array, at: number, bits: number): void {
  const old = bytes[at];
  if (old !== undefined) bytes[at] = old ^ bits;
}

/** Changes, removes or inserts a few bytes of a frame; the size prefix stays right. */
function mutated(good: Uint8Array, rng: Prng): Uint8Array {
  let bytes: Uint8Array = good.slice(4);
  for (let times = rng.int(1, 4); times > 0; times--) {
    const at = rng.int(0, Math.max(0, bytes.length - 1));
    const kind = rng.int(0, 4);
    if (kind === 0) flip(bytes, at, 1 << rng.int(0, 7));
    else if (kind === 1) bytes[at] = rng.oneOf([0, 1, 0x7f, 0x80, 0xff]);
    else if (kind === 2) bytes = bytes.slice(0, at);
    else if (kind === 3) bytes.fill(0xff, at, at + 4);
    else bytes = concat([bytes.subarray(0, at), rng.bytes(rng.int(1, 8)), bytes.subarray(at)]);
  }
  return sized(bytes);
}

const BOMB_BYTES = 30 << 20;

/** Returns a generator of batches: valid, damaged, odd, or decompression bombs. */
export function batchMaker(tools: Tools): (rng: Prng) => Uint8Array {
  const make = (value: Uint8Array, codec: Codec, options: BatchOptions): Uint8Array => {
    const record = { timestamp: Date.now(), key: null, value };
    return buildBatch([record], { ...options, compression: { codec, level: -1 } }, tools).slice();
  };
  // Zeros compress well. Build the bombs once, because each takes a while.
  const bombs = ([1, 4] as const).map(codec => make(new Uint8Array(BOMB_BYTES), codec, {}));
  return rng => {
    if (rng.chance(0.4)) return oddBatch(rng, tools);
    const size = rng.oneOf([0, 10, 1000, 20_000]);
    const producer = rng.chance(0.3)
      ? { producerId: BigInt(rng.int(0, 5)), producerEpoch: 0, baseSequence: rng.int(0, 3) }
      : {};
    const transactional = rng.chance(0.1) ? { transactional: true } : {};
    const codec = rng.oneOf([0, 0, 1, 2, 3, 4] as const);
    const bytes = rng.chance(0.03)
      ? rng.oneOf(bombs).slice()
      : make(rng.bytes(size), codec, { ...producer, ...transactional });
    if (rng.chance(0.5)) return bytes;
    const view = new DataView(bytes.buffer);
    const spoil: readonly (() => void)[] = [
      () => view.setInt32(8, rng.int(-5, 1 << 28)),
      () => view.setInt8(16, rng.int(-1, 5)),
      () => view.setInt16(21, rng.int(0, 255)),
      () => view.setInt32(57, rng.int(-1, 1 << 30)),
      () => view.setInt32(23, rng.int(-1, 1 << 30)),
      () => flip(bytes, rng.int(0, bytes.length - 1), 0x10),
    ];
    rng.oneOf(spoil)();
    // Half of the damaged batches get a valid CRC.
    if (rng.chance(0.5)) view.setUint32(17, tools.crc32c(bytes, 21, bytes.length));
    return rng.chance(0.1) ? bytes.slice(0, rng.int(0, bytes.length)) : bytes;
  };
}

async function slowly(target: Target, bytes: Uint8Array, stop: number): Promise<void> {
  const connection = await connect(target.port);
  for (let i = 0; i < stop && i < bytes.length && connection.isOpen; i++) {
    connection.write(bytes.subarray(i, i + 1));
    await pause(5);
  }
  connection.close();
}

/** Sends many fetches for much data, and reads no answer. */
async function greedy(target: Target, rng: Prng): Promise<void> {
  const connection = await connect(target.port);
  connection.pause();
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 30 }];
  const topics = target.around.names.slice(0, 8).map(topic => ({ topic, partitions }));
  const body = {
    ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 0x7fffffff, sessionId: 0, sessionEpoch: -1 },
    ...{ topics, forgottenTopicsData: [], rackId: "" },
  };
  for (let i = 0; i < 50; i++) connection.write(frame(ApiKey.Fetch, 12, body, i));
  await pause(rng.int(50, 300));
  connection.close();
}

async function crowd(target: Target, rng: Prng): Promise<void> {
  const connections = await Promise.all(Array.from({ length: 60 }, () => connect(target.port)));
  for (const connection of connections) if (rng.chance(0.3)) connection.write(rng.bytes(rng.int(1, 3)));
  await pause(rng.int(10, 200));
  for (const connection of connections) connection.close();
}

/** Produces odd batches. Every request must be answered, with or without an error. */
async function oddBatches(target: Target, rng: Prng): Promise<void> {
  const peer = await connect(target.port);
  try {
    for (let times = rng.int(1, 5); times > 0; times--) {
      const partitionData = [{ index: 0, records: [oddBatch(rng, target.tools)] }];
      const topicData = [{ name: rng.oneOf(target.around.names.slice(0, 3)), partitionData }];
      const body = { transactionalId: null, acks: rng.oneOf([-1, 1]), timeoutMs: 1000, topicData };
      await peer.ask("Produce", rng.int(3, 12), body, LIMIT_MS);
    }
  } finally {
    peer.close();
  }
}

const TIMEOUTS: readonly number[] = [-2147483648, -1, 0, 1, 100, 2147483647];

/** Members join with edge values as timeouts, then rejoin, sync, or disappear. */
async function strangeGroup(target: Target, rng: Prng): Promise<void> {
  const groupId = `group-${rng.int(0, 30)}`;
  const peers = await Promise.all(Array.from({ length: rng.int(1, 3) }, () => connect(target.port)));
  try {
    for (const peer of peers) {
      const request = {
        groupId,
        sessionTimeoutMs: rng.oneOf([6000, 6000, 30_000, ...TIMEOUTS]),
        rebalanceTimeoutMs: rng.oneOf(TIMEOUTS),
        memberId: "",
        groupInstanceId: rng.chance(0.3) ? `i${rng.int(0, 2)}` : null,
        protocolType: "consumer",
        protocols: [{ name: "range", metadata: rng.bytes(rng.int(0, 20)) }],
      };
      // A join may wait for other members.
      const joined = await Promise.race([peer.ask("JoinGroup", 5, request, LIMIT_MS).catch(quiet), pause(300)]);
      if (joined === undefined || rng.chance(0.4)) continue;
      const { memberId, generationId } = joined;
      if (rng.chance(0.6)) {
        const again = { ...request, memberId };
        await Promise.race([peer.ask("JoinGroup", 5, again, LIMIT_MS).catch(quiet), pause(300)]);
      } else {
        const { groupInstanceId } = request;
        const sync = { groupId, generationId, memberId, groupInstanceId, assignments: [] };
        await Promise.race([peer.ask("SyncGroup", 3, sync, LIMIT_MS).catch(quiet), pause(300)]);
      }
    }
  } finally {
    for (const peer of peers) peer.close();
  }
}

/** Ignores the error of a request that was abandoned. */
function quiet(): undefined {
  return undefined;
}

/**
 * APIs that close the connection on some requests that their schemas allow: Produce with acks=0 that fails, and requests
 * about access control with unknown elements.
 */
const CLOSING: ReadonlySet<number> = new Set([
  ApiKey.Produce,
  ApiKey.DescribeAcls,
  ApiKey.CreateAcls,
  ApiKey.DeleteAcls,
]);

/** Checks that a request which the schema allows is answered or delayed, and does not close the connection. */
async function answered(target: Target, rng: Prng): Promise<void> {
  const good = wildFrame(target, rng);
  if (good === undefined || CLOSING.has(new DataView(good.buffer, good.byteOffset).getInt16(4))) return;
  const connection = await connect(target.port);
  connection.write(good);
  await connection.frame(PATIENCE_MS);
  const view = new DataView(good.buffer, good.byteOffset);
  if (connection.closed?.code === "DISCONNECTED")
    throw new Error(
      `API ${view.getInt16(4)} version ${view.getInt16(6)}: closed over ${Buffer.from(good).toString("hex").slice(0, 400)}`,
    );
  connection.close();
}

/** Attacks by name, with their relative weights. */
const ATTACKS: Readonly<Record<string, readonly [weight: number, attack: Attack]>> = {
  "legal nonsense": [
    40,
    async (target, rng) => {
      const frames = Array.from({ length: rng.int(1, 6) }, () => wildFrame(target, rng)).filter(f => f !== undefined);
      await send(target, ...frames);
    },
  ],
  "good with changes": [
    30,
    async (target, rng) => {
      const good = wildFrame(target, rng);
      if (good !== undefined) await send(target, mutated(good, rng));
    },
  ],
  "odd batches": [30, oddBatches],
  "a strange group": [10, strangeGroup],
  "legal nonsense is answered": [20, answered],
  noise: [4, (target, rng) => send(target, rng.bytes(rng.int(1, 3000)))],
  "noise in a frame": [5, (target, rng) => send(target, sized(rng.bytes(rng.int(0, 2000))))],
  "a size that cannot be": [
    3,
    (target, rng) => send(target, sized(rng.bytes(20), rng.oneOf([-1, -2147483648, 2147483647, 104_857_601]))),
  ],
  "half a frame": [
    3,
    async (target, rng) => {
      const good = wildFrame(target, rng);
      if (good !== undefined) await send(target, good.subarray(0, rng.int(1, good.length - 1)));
    },
  ],
  "an announced giant": [2, (target, rng) => send(target, sized(rng.bytes(64), 100 << 20))],
  "unknown things": [
    4,
    (target, rng) =>
      send(
        target,
        frame(ApiKey.ApiVersions, 0, {}),
        sized(Uint8Array.of(0, rng.int(0, 255), 0, rng.int(0, 255), ...rng.bytes(20))),
      ),
  ],
  "a slow writer": [
    2,
    async (target, rng) => {
      const good = wildFrame(target, rng);
      if (good !== undefined) await slowly(target, good, 60);
    },
  ],
  "a reader that does not read": [2, greedy],
  "a crowd": [1, crowd],
};

/** Attacks that are requests of clients, which a controller does not serve. */
const OF_CLIENTS: ReadonlySet<string> = new Set(["odd batches", "a strange group", "a reader that does not read"]);

/** Draws an attack for a listener by weight. */
export function drawAttack(
  rng: Prng,
  { role }: Pick<Target, "role">,
): { readonly name: string; readonly attack: Attack } {
  const all = Object.entries(ATTACKS)
    .filter(([name]) => role === "broker" || !OF_CLIENTS.has(name))
    .map(([name, [weight, attack]]) => ({ name, weight, attack }));
  let left = rng.next() * all.reduce((sum, { weight }) => sum + weight, 0);
  for (const drawn of all) {
    left -= drawn.weight;
    if (left < 0) return drawn;
  }
  return entryAt(all, 0);
}
