import { createReadStream } from "node:fs";
import { Failure } from "../../terminal/failure.ts";

const NEWLINE = 10;
const RETURN = 13;
/** Longest line in bytes, far above the largest request of a producer. */
const LONGEST_LINE = 16 * 1024 * 1024;

/** Lines of files, or of standard input if there are none, without their ends; each is a view, valid until the next chunk. */
export async function* readLines(files: readonly string[], signal: AbortSignal): AsyncGenerator<Uint8Array[]> {
  if (files.length === 0) {
    yield* linesOf(process.stdin as AsyncIterable<Uint8Array>, signal);
    return;
  }
  for (const file of files) {
    try {
      yield* linesOf(createReadStream(file) as AsyncIterable<Uint8Array>, signal);
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Lines of each chunk of a stream. The last line may lack its end. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array[]> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    if (signal.aborted) return;
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      lines.push(bytes.subarray(from, at > from && bytes[at - 1] === RETURN ? at - 1 : at));
      from = at + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > LONGEST_LINE) throw new Failure(`a line is longer than ${LONGEST_LINE} bytes; is this a text?`);
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [rest];
}
