import type { Int64 } from "@samsa/base";

/** Bytes of a signed 32-bit number as a VARINT of the protocol. */
export function varintSize(value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0;
  return raw < 0x80 ? 1 : raw < 0x4000 ? 2 : raw < 0x200000 ? 3 : raw < 0x10000000 ? 4 : 5;
}

/** Bytes of a signed 64-bit number as a VARLONG of the protocol. */
export function varlongSize(value: Int64): number {
  if (typeof value === "bigint" || value > 0xffffffffffff || value < -0xffffffffffff) {
    let size = 1;
    for (let rest = (BigInt(value) << 1n) ^ (BigInt(value) >> 63n); rest > 0x7fn; rest >>= 7n) size++;
    return size;
  }
  let raw = value >= 0 ? value * 2 : -value * 2 - 1;
  let size = 1;
  for (; raw >= 128; raw = Math.floor(raw / 128)) size++;
  return size;
}
