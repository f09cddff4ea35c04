import { entryAt, lastEntry } from "./assert.ts";

const M64 = 0xffffffffffffffffn;
const P32_1 = 0x9e3779b1n;
const P32_2 = 0x85ebca77n;
const P32_3 = 0xc2b2ae3dn;
const P64_1 = 0x9e3779b185ebca87n;
const P64_2 = 0xc2b2ae3d27d4eb4fn;
const P64_3 = 0x165667b19e3779f9n;
const P64_4 = 0x85ebca77c2b2ae63n;
const P64_5 = 0x27d4eb2f165667c5n;

const SECRET_HEX =
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e" +
  "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d" +
  "8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc" +
  "8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e";
const SECRET = Uint8Array.from(SECRET_HEX.match(/../g) ?? [], hex => Number.parseInt(hex, 16));
const STRIPE = 64;
/** Stripes in a block: each uses the secret shifted by another 8 bytes. */
const STRIPES = (SECRET.length - STRIPE) / 8;

const u32 = (bytes: Uint8Array, at: number): bigint =>
  BigInt(
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
      0,
  );
const u64 = (bytes: Uint8Array, at: number): bigint => u32(bytes, at) | (u32(bytes, at + 4) << 32n);
const rotl = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & M64;

function swap32(x: bigint): bigint {
  return ((x & 0xffn) << 24n) | ((x & 0xff00n) << 8n) | ((x >> 8n) & 0xff00n) | (x >> 24n);
}

function swap64(x: bigint): bigint {
  return (swap32(x & 0xffffffffn) << 32n) | swap32(x >> 32n);
}

function mulFold(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product & M64) ^ (product >> 64n);
}

function avalanche(x: bigint): bigint {
  let h = ((x ^ (x >> 37n)) * 0x165667919e3779f9n) & M64;
  h ^= h >> 32n;
  return h;
}

function avalanche64(x: bigint): bigint {
  let h = ((x ^ (x >> 33n)) * P64_2) & M64;
  h = ((h ^ (h >> 29n)) * P64_3) & M64;
  return h ^ (h >> 32n);
}

function upTo16(b: Uint8Array): bigint {
  const length = BigInt(b.length);
  if (b.length > 8) {
    const low = u64(b, 0) ^ (u64(SECRET, 24) ^ u64(SECRET, 32));
    const high = u64(b, b.length - 8) ^ (u64(SECRET, 40) ^ u64(SECRET, 48));
    return avalanche((length + swap64(low) + high + mulFold(low, high)) & M64);
  }
  if (b.length >= 4) {
    const both = u32(b, b.length - 4) + (u32(b, 0) << 32n);
    const keyed = both ^ (u64(SECRET, 8) ^ u64(SECRET, 16));
    let h = keyed ^ rotl(keyed, 49n) ^ rotl(keyed, 24n);
    h = (h * 0x9fb21c651e98df25n) & M64;
    h ^= (h >> 35n) + length;
    h = (h * 0x9fb21c651e98df25n) & M64;
    return h ^ (h >> 28n);
  }
  if (b.length === 0) return avalanche64(u64(SECRET, 56) ^ u64(SECRET, 64));
  const mixed =
    (BigInt(entryAt(b, 0)) << 16n) | (BigInt(entryAt(b, b.length >> 1)) << 24n) | BigInt(lastEntry(b)) | (length << 8n);
  return avalanche64(mixed ^ (u32(SECRET, 0) ^ u32(SECRET, 4)));
}

const mix16 = (b: Uint8Array, at: number, secret: number): bigint =>
  mulFold(u64(b, at) ^ u64(SECRET, secret), u64(b, at + 8) ^ u64(SECRET, secret + 8));

function upTo240(b: Uint8Array): bigint {
  let acc = BigInt(b.length) * P64_1;
  if (b.length <= 128) {
    for (let i = (b.length - 1) >> 5; i >= 0; i--) {
      acc += mix16(b, 16 * i, 32 * i) + mix16(b, b.length - 16 * (i + 1), 32 * i + 16);
    }
    return avalanche(acc & M64);
  }
  const rounds = b.length >> 4;
  for (let i = 0; i < 8; i++) acc += mix16(b, 16 * i, 16 * i);
  acc = avalanche(acc & M64);
  for (let i = 8; i < rounds; i++) acc += mix16(b, 16 * i, 16 * (i - 8) + 3);
  acc += mix16(b, b.length - 16, 136 - 17);
  return avalanche(acc & M64);
}

function stripe(lanes: bigint[], b: Uint8Array, at: number, secret: number): void {
  for (let i = 0; i < 8; i++) {
    const value = u64(b, at + 8 * i);
    const keyed = value ^ u64(SECRET, secret + 8 * i);
    lanes[i ^ 1] = ((lanes[i ^ 1] as bigint) + value) & M64;
    lanes[i] = ((lanes[i] as bigint) + (keyed & 0xffffffffn) * (keyed >> 32n)) & M64;
  }
}

function long(b: Uint8Array): bigint {
  const lanes = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1];
  const block = STRIPE * STRIPES;
  const blocks = Math.floor((b.length - 1) / block);
  for (let n = 0; n < blocks; n++) {
    for (let i = 0; i < STRIPES; i++) stripe(lanes, b, n * block + i * STRIPE, i * 8);
    for (let i = 0; i < 8; i++) {
      const lane = lanes[i] as bigint;
      const mixed = lane ^ (lane >> 47n) ^ u64(SECRET, SECRET.length - STRIPE + 8 * i);
      lanes[i] = (mixed * P32_1) & M64;
    }
  }
  const stripes = Math.floor((b.length - 1 - block * blocks) / STRIPE);
  for (let i = 0; i < stripes; i++) stripe(lanes, b, blocks * block + i * STRIPE, i * 8);
  stripe(lanes, b, b.length - STRIPE, SECRET.length - STRIPE - 7);
  let acc = BigInt(b.length) * P64_1;
  for (let i = 0; i < 4; i++) {
    acc += mulFold(
      (lanes[2 * i] as bigint) ^ u64(SECRET, 11 + 16 * i),
      (lanes[2 * i + 1] as bigint) ^ u64(SECRET, 19 + 16 * i),
    );
  }
  return avalanche(acc & M64);
}

/** 64-bit XXH3 without a seed, as a signed number (https://github.com/Cyan4973/xxHash). Slow for large input. */
export function xxh3(bytes: Uint8Array): bigint {
  const hash = bytes.length <= 16 ? upTo16(bytes) : bytes.length <= 240 ? upTo240(bytes) : long(bytes);
  return BigInt.asIntN(64, hash);
}
