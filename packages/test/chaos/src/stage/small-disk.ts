import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NotRun } from "../frame/run.ts";

const BYTES = 64 * 1024 * 1024;
/** Memory behind a disk that can fail: room for the file system and the records of a scenario. */
const MEMORY = "32m";
/** Part of the ballast that is written at once. */
const PIECE = 1024 * 1024;

/** File system of 64 MiB on a loop device, which a ballast can fill, or whose writes can be made to fail. */
export class SmallDisk {
  readonly #home: string;
  readonly directory: string;
  /** Folder of the image of a disk that can fail: a file system in little memory. */
  readonly #memory: string;
  readonly #canFail: boolean;

  private constructor(home: string, canFail: boolean) {
    this.#home = home;
    this.directory = join(home, "mounted");
    this.#memory = join(home, "memory");
    this.#canFail = canFail;
  }

  /** Makes and mounts it. Throws `NotRun` if this process may not. */
  static mount(canFail = false): SmallDisk {
    const disk = new SmallDisk(mkdtempSync(join(tmpdir(), "samsa-chaos-disk-")), canFail);
    try {
      mkdirSync(disk.directory);
      mkdirSync(disk.#memory);
      if (canFail)
        execFileSync("mount", ["-t", "tmpfs", "-o", `size=${MEMORY}`, "tmpfs", disk.#memory], { stdio: "pipe" });
      writeFileSync(disk.#image, "");
      truncateSync(disk.#image, BYTES);
      execFileSync("mkfs.ext4", ["-q", "-m", "0", disk.#image], { stdio: "pipe" });
      disk.#mount();
      return disk;
    } catch (error) {
      disk.dispose();
      const [why = ""] = String(error).split("\n");
      throw new NotRun(`a loop device cannot be mounted, which needs root: ${why}`);
    }
  }

  get #image(): string {
    return join(this.#memory, "image");
  }

  #mount(): void {
    execFileSync("mount", ["-o", "loop", this.#image, this.directory], { stdio: "pipe" });
  }

  /** Lets all writes to new blocks fail with EIO: there is no memory left for them, as the device finds out. */
  fail(): void {
    try {
      for (;;) writeFileSync(join(this.#memory, "ballast"), Buffer.alloc(PIECE, 1), { flag: "a" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  /** Takes a disk that has failed out and puts it in again, with memory. No process may use it. */
  repair(): void {
    unlinkSync(join(this.#memory, "ballast"));
    execFileSync("umount", [this.directory], { stdio: "pipe" });
    this.#mount();
  }

  /** Fills it, up to `left` bytes. */
  fill(left: number): void {
    const { bavail, bsize } = statfsSync(this.directory);
    const pieces = Math.max(0, Math.floor((bavail * bsize - left) / PIECE));
    const path = this.#ballast;
    writeFileSync(path, "");
    for (let i = 0; i < pieces; i++) writeFileSync(path, Buffer.alloc(PIECE, 1), { flag: "a" });
  }

  get #ballast(): string {
    return join(this.directory, "ballast");
  }

  /** Makes room again. */
  relieve(): void {
    unlinkSync(this.#ballast);
  }

  /** Folder on the file system of the machine, beside it. */
  get large(): string {
    return join(this.#home, "large");
  }

  /** Unmounts and removes it, also while a process uses it. */
  dispose(): void {
    const places = this.#canFail ? [this.directory, this.#memory] : [this.directory];
    // A place that is not mounted has nothing to unmount.
    for (const place of places) spawnSync("umount", ["-l", place], { stdio: "pipe" });
    rmSync(this.#home, { recursive: true, force: true });
  }
}
