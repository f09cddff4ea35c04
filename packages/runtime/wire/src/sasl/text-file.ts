import { type Disk, type Env, fromUtf8, MalformedError } from "@samsa/base";

/** Size of the largest file with a token or a key, in bytes. */
const MAX_FILE = 1 << 20;

/** Text of a small file. Rejects with `DiskError`, and with `MalformedError` above 1 MiB. */
export async function textOfFile(disk: Disk, path: string): Promise<string> {
  const file = disk.open(path, "read");
  try {
    const size = file.size();
    if (size > MAX_FILE) throw new MalformedError(`${path} has more than ${MAX_FILE} bytes`);
    const bytes = new Uint8Array(size);
    return fromUtf8(bytes.subarray(0, await file.readLater(bytes, 0))).trim();
  } finally {
    file.close();
  }
}

/** Text in the file of an address with `file:`. Rejects with `DiskError`, and with `MalformedError` above 1 MiB. */
export function fileText({ disk }: Pick<Env, "disk">, url: string): Promise<string> {
  return textOfFile(disk, decodeURIComponent(url.replace(/^file:(?:\/\/)?/, "")));
}
