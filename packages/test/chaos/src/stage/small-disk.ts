import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NotRun } from "../frame/run.ts";

const BYTES = 64 * 1024 * 1024;
/** Part of the ballast that is written at once. */
const PIECE = 1024 * 1024;

/** File system of 64 MiB on a loop device, which a ballast can fill. */
export class SmallDisk {
  readonly #home: string;
  readonly directory: string;

  private constructor(home: string) {
    this.#home = home;
    this.directory = join(home, "mounted");
  }

  /** Makes and mounts it. Throws `NotRun` if this process may not. */
  static mount(): SmallDisk {
    const disk = new SmallDisk(mkdtempSync(join(tmpdir(), "samsa-chaos-disk-")));
    const image = join(disk.#home, "image");
    try {
      writeFileSync(image, "");
      truncateSync(image, BYTES);
      mkdirSync(disk.directory);
      execFileSync("mkfs.ext4", ["-q", "-m", "0", image], { stdio: "pipe" });
      execFileSync("mount", ["-o", "loop", image, disk.directory], { stdio: "pipe" });
      return disk;
    } catch (error) {
      rmSync(disk.#home, { recursive: true, force: true });
      const [why = ""] = String(error).split("\n");
      throw new NotRun(`a loop device cannot be mounted, which needs root: ${why}`);
    }
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
    execFileSync("umount", ["-l", this.directory], { stdio: "pipe" });
    rmSync(this.#home, { recursive: true, force: true });
  }
}
