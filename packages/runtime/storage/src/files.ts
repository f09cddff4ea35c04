import { type Disk, DiskError, type DiskFile } from "@samsa/base";

/** Result of `read` on the file; undefined if the file does not exist. */
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

/** The whole file; undefined if it does not exist. */
export function readWhole(disk: Disk, path: string): Uint8Array | undefined {
  return readIfThere(disk, path, file => {
    const bytes = new Uint8Array(file.size());
    return bytes.subarray(0, file.read(bytes, 0));
  });
}

/**
 * Up to `size` bytes of a file, from byte `from` on; a negative `from` counts from the end. Undefined if the file does
 * not exist.
 */
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

/**
 * Replaces the contents of a file in place; a crash may leave any part of them. If `lasting`, they are durable on
 * return.
 */
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

/**
 * Replaces a file atomically: writes a temporary file and renames it. If `durable`, the new file is durable on return.
 */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array, durable: boolean): void {
  const beside = `${path}.tmp`;
  overwrite(disk, beside, bytes, durable);
  disk.rename(beside, path);
  if (durable) disk.syncDirectoryNow(path.slice(0, path.lastIndexOf("/")));
}

/**
 * `replaceFile` without blocking; durable when it resolves. Calls for the same path share a temporary file: the caller
 * must not let them overlap.
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

/** Removes a file. Removing a file that does not exist succeeds. */
export function removeIfThere(disk: Disk, path: string): void {
  try {
    disk.removeFile(path);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== "ENOENT") throw error;
  }
}

/** Advice for an operator, by POSIX error code. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "make room on its disk, then start the broker again",
  EDQUOT: "raise the quota of its disk, then start the broker again",
  EFBIG: "raise the limit on the size of files (ulimit -f), then start the broker again",
  EMFILE: "raise the limit on open files (ulimit -n), then start the broker again",
  EROFS: "make its disk writable, then start the broker again",
  EACCES: "give the broker the right to write there, then start it again",
};

/** Advice about a disk that failed, to end a sentence with. */
export function adviceOf(error: DiskError): string {
  return ADVICE[error.code] ?? "check its disk, then start the broker again";
}

/** Creates a log directory, and those that it is in, if they are missing. Throws `DiskError`. */
export function makeLogDir(disk: Disk, path: string): void {
  if (disk.stat(path) !== undefined) return;
  const slash = path.lastIndexOf("/");
  const parent = slash < 0 ? "." : path.slice(0, slash) || "/";
  if (slash > 0) makeLogDir(disk, parent);
  disk.makeDirectory(path);
  // Make the new directory's name durable: losing it in a power failure would lose all its contents.
  disk.syncDirectoryNow(parent);
}
