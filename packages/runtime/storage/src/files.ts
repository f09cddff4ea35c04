import { type Disk, DiskError, type DiskFile } from "@samsa/base";

/** Result of `read` on the file; undefined when there is no file. */
function readIfThere(disk: Disk, path: string, read: (file: DiskFile) => Uint8Array): Uint8Array | undefined {
  let file: DiskFile;
  try {
    file = disk.open(path, "read");
  } catch (error) {
    if (error instanceof DiskError && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return read(file);
  } finally {
    file.close();
  }
}

/** The whole file; undefined when there is none. */
export function readWhole(disk: Disk, path: string): Uint8Array | undefined {
  return readIfThere(disk, path, file => {
    const bytes = new Uint8Array(file.size());
    return bytes.subarray(0, file.read(bytes, 0));
  });
}

/** Up to `size` bytes of a file from `from` on, or before its end where that is negative; undefined when it is not there. */
export function readPart(
  disk: Disk,
  path: string,
  { from, size }: { readonly from: number; readonly size: number },
): Uint8Array | undefined {
  return readIfThere(disk, path, file => {
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, file.read(bytes, from < 0 ? Math.max(0, file.size() + from) : from));
  });
}

/** Makes the file at `path` hold `bytes`; a crash may leave any part of them. `lasting`: on the device, too, when it returns. */
export function overwrite(disk: Disk, path: string, bytes: Uint8Array, lasting: boolean): void {
  const file = disk.open(path, "create");
  try {
    file.truncate(0);
    if (bytes.length > 0) file.write([bytes], 0);
    if (lasting) file.syncNow();
  } finally {
    file.close();
  }
}

/** Makes `path` hold `bytes` and nothing less, ever: written beside it, renamed over it. */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array, durable: boolean): void {
  const beside = `${path}.tmp`;
  overwrite(disk, beside, bytes, durable);
  disk.rename(beside, path);
  if (durable) disk.syncDirectoryNow(path.slice(0, path.lastIndexOf("/")));
}

/**
 * `replaceFile` that does not block; durable once it resolves. Two at a time for one path would take one another's
 * files: the caller keeps them apart.
 */
export async function replaceFileLater(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const beside = `${path}.tmp`;
  const file = disk.open(beside, "create");
  try {
    file.truncate(0);
    if (bytes.length > 0) file.write([bytes], 0);
    await file.sync();
  } finally {
    file.close();
  }
  disk.rename(beside, path);
  await disk.syncDirectory(path.slice(0, path.lastIndexOf("/")));
}

/** Removes `path` if it is there. */
export function removeIfThere(disk: Disk, path: string): void {
  try {
    disk.removeFile(path);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== "ENOENT") throw error;
  }
}
