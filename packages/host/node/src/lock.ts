import { type DiskLock, ignored } from "@samsa/base";
import * as fs from "node:fs";
import * as net from "node:net";

/*
 * Kafka holds a POSIX (fcntl) lock on `.lock`, which Node cannot take. The locks used instead are also held by the
 * kernel for the process and end with it, even after kill -9, so no stale lock is ever left:
 *
 * - Linux: an abstract Unix socket named after the file's device and inode. The kernel gives a name to one socket at a
 *   time and frees it with the process. Limits: processes in different network namespaces (containers that share a
 *   volume) do not see one another's lock; neither do machines that share a network file system. A running Kafka's lock
 *   on the file is found in /proc/locks and respected, but Kafka does not see ours.
 * - macOS and the BSDs: open(2) with O_EXLOCK takes a flock lock, which conflicts with Kafka's lock on these systems.
 * - Windows: libuv opens the file without sharing if given its own O_EXLOCK.
 */
const EXCLUSIVE_OPEN: Readonly<Partial<Record<NodeJS.Platform, number>>> = {
  darwin: 0x20 | 0x04,
  freebsd: 0x20 | 0x04,
  openbsd: 0x20 | 0x04,
  netbsd: 0x20 | 0x04,
  win32: 0x10000000,
};

/** Attempts to take a name. One that was let go of stays taken while another thread spawns a process, until that runs. */
const ATTEMPTS = 25;
const PAUSE_MS = 10;

/** Locks the file at `path`, and creates it if it is missing. Undefined if another holder has the lock. */
export function lockFile(path: string): DiskLock | undefined {
  const exclusive = EXCLUSIVE_OPEN[process.platform];
  return exclusive === undefined ? lockByName(path) : lockByOpen(path, exclusive);
}

function lockByOpen(path: string, flags: number): DiskLock | undefined {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | flags, 0o644);
    return { release: once(() => fs.closeSync(fd)) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN" || code === "EWOULDBLOCK" || code === "EBUSY") return undefined;
    throw error;
  }
}

function lockByName(path: string): DiskLock | undefined {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  fs.closeSync(fd);
  if (lockedByAnother(dev, ino)) return undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (attempt > 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    const server = net.createServer(socket => socket.destroy());
    server.on("error", ignored("a taken name causes this event a turn later, after `listening` has told"));
    server.listen(`\0samsa-lock-${dev}-${ino}`);
    // `listen` binds synchronously; only its event is deferred.
    if (!server.listening) continue;
    server.unref();
    return { release: once(() => server.close()) };
  }
  return undefined;
}

/** True if a process holds a POSIX lock on the file, as Kafka does; false if there is no /proc/locks. */
function lockedByAnother(dev: bigint, ino: bigint): boolean {
  let locks: string;
  try {
    locks = fs.readFileSync("/proc/locks", "utf8");
  } catch {
    return false;
  }
  // glibc's encoding of a device number: twelve bits of major above eight bits of minor, and the rest higher up.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const hex = (n: bigint) => n.toString(16).padStart(2, "0");
  return locks.includes(` ${hex(major)}:${hex(minor)}:${ino} `);
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}
