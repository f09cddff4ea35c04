/** Plain decoders of lz4 and snappy blocks, byte by byte. They throw if the block is malformed. */

class Input {
  at = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error("the block ends early");
    return byte;
  }

  number(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value += this.byte() * 2 ** (8 * i);
    return value;
  }
}

class Output {
  readonly bytes: number[] = [];
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  push(byte: number): void {
    if (this.bytes.length === this.limit) throw new Error("the output is too long");
    this.bytes.push(byte);
  }

  literals(input: Input, count: number): void {
    for (let i = 0; i < count; i++) this.push(input.byte());
  }

  repeat(distance: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const byte = distance === 0 ? undefined : this.bytes[this.bytes.length - distance];
      if (byte === undefined) throw new Error("a copy from before the output");
      this.push(byte);
    }
  }
}

function lz4Length(input: Input, nibble: number): number {
  let length = nibble;
  if (nibble < 15) return length;
  for (;;) {
    const byte = input.byte();
    length += byte;
    if (byte !== 255) return length;
  }
}

/** Decodes an lz4 block of at most `most` bytes. */
export function plainLz4(block: Uint8Array, most: number): Uint8Array {
  const input = new Input(block);
  const output = new Output(most);
  for (;;) {
    const token = input.byte();
    output.literals(input, lz4Length(input, token >> 4));
    if (input.left === 0) return Uint8Array.from(output.bytes);
    const distance = input.number(2);
    output.repeat(distance, lz4Length(input, token & 15) + 4);
  }
}

/** Decodes a snappy block of at most `most` bytes. */
export function plainSnappy(block: Uint8Array, most: number): Uint8Array {
  const input = new Input(block);
  let length = 0;
  for (let i = 0; ; i++) {
    const byte = input.byte();
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) break;
    if (i === 4) throw new Error("the length is too long");
  }
  if (length > most) throw new Error("the output is too long");
  const output = new Output(length);
  while (input.left > 0) {
    const tag = input.byte();
    const kind = tag & 3;
    if (kind === 0) output.literals(input, (tag >> 2 < 60 ? tag >> 2 : input.number((tag >> 2) - 59)) + 1);
    else if (kind === 1) output.repeat(((tag >> 5) << 8) + input.number(1), ((tag >> 2) & 7) + 4);
    else output.repeat(input.number(kind === 2 ? 2 : 4), (tag >> 2) + 1);
  }
  if (output.bytes.length !== length) throw new Error("the block ends early");
  return Uint8Array.from(output.bytes);
}
