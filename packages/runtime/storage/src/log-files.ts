import type { Disk, DiskFile } from "@samsa/base";
import { DELETED_SUFFIX, type LogEffect, type LogState } from "@samsa/log";
import { removeIfThere, replaceFile } from "./files.ts";
import type { LogHome } from "./types.ts";

const OPEN_FILES = 3;

/** The files of one log: what effects do to them, and which of them may not be on the device. */
export class LogFiles {
  private readonly place: { path: string };
  private readonly home: LogHome;
  private readonly disk: Disk;
  private readonly state: LogState;
  private readonly opened = new Map<string, DiskFile>();
  /** Small files that the next `sync` must make durable. */
  private readonly owed = new Set<string>();
  /** Files have come or gone since the directory was last synced. */
  private namesChanged = true;

  private readonly log: { beginSeal(): void };

  /** `log.beginSeal` is called when a segment is closed, before the next one is created. */
  constructor(home: LogHome, place: { path: string }, state: LogState, log: { beginSeal(): void }) {
    this.home = home;
    this.log = log;
    this.disk = home.env.disk;
    this.place = place;
    this.state = state;
  }

  get path(): string {
    return this.place.path;
  }

  /** The directory has another name now. */
  moved(path: string): void {
    this.place.path = path;
    this.namesChanged = true;
  }

  /** The open file of this name; few are kept open, the active segment's among them. */
  open(name: string): DiskFile {
    const known = this.opened.get(name);
    if (known !== undefined) return known;
    const active = this.state.active.file;
    if (this.opened.size >= OPEN_FILES) {
      for (const old of this.opened.keys()) {
        if (old === active) continue;
        this.close(old);
        break;
      }
    }
    const file = this.disk.open(`${this.path}/${name}`, "create");
    if (name === active) this.namesChanged = true;
    this.opened.set(name, file);
    return file;
  }

  remove(name: string): void {
    removeIfThere(this.disk, `${this.path}/${name}`);
    this.namesChanged = true;
  }

  private close(name: string): void {
    this.opened.get(name)?.close();
    this.opened.delete(name);
  }

  closeAll(): void {
    for (const file of this.opened.values()) file.close();
    this.opened.clear();
  }

  /** The next `sync` also covers this file, if it is there by then. */
  owe(name: string): void {
    this.owed.add(name);
    this.namesChanged = true;
  }

  /** Makes what was written to `names`, and what is owed, durable, with their names. */
  async sync(names: Iterable<string>): Promise<void> {
    const all = new Set([...this.owed, ...names]);
    this.owed.clear();
    for (const name of all) await this.syncFile(name);
    if (!this.namesChanged) return;
    this.namesChanged = false;
    await this.disk.syncDirectory(this.path);
    // A file whose name is lost is lost, and so it is when the name of its directory is.
    await this.home.syncNames();
  }

  private async syncFile(name: string): Promise<void> {
    const opened = this.opened.get(name);
    if (opened !== undefined) return opened.sync();
    const path = `${this.path}/${name}`;
    // What has been removed meanwhile has nothing to lose.
    if (this.disk.stat(path) === undefined) return;
    const file = this.disk.open(path, "write");
    try {
      await file.sync();
    } finally {
      file.close();
    }
  }

  /** Does what the effects say, in order; writes that follow one another in a file become one. */
  perform(effects: readonly LogEffect[]): void {
    for (let i = 0; i < effects.length; ) {
      const effect = effects[i++];
      if (effect.kind !== "write") {
        this.performOne(effect);
        continue;
      }
      const chunks = [effect.bytes];
      let end = effect.position + effect.bytes.length;
      for (; i < effects.length; i++) {
        const next = effects[i];
        if (next.kind !== "write" || next.file !== effect.file || next.position !== end) break;
        chunks.push(next.bytes);
        end += next.bytes.length;
      }
      this.write(effect.file, chunks, effect.position);
    }
  }

  private write(name: string, chunks: readonly Uint8Array[], position: number): void {
    if (name.endsWith(".log")) {
      const file = this.open(name);
      if (chunks.length > 1 || chunks[0].length > 0) file.write(chunks, position);
      return;
    }
    const file = this.disk.open(`${this.path}/${name}`, "create");
    try {
      if (chunks[0].length > 0) file.write(chunks, position);
    } finally {
      file.close();
    }
  }

  private performOne(effect: Exclude<LogEffect, { kind: "write" }>): void {
    if (effect.kind === "seal") return this.log.beginSeal();
    const path = `${this.path}/${effect.file}`;
    switch (effect.kind) {
      case "replace":
        replaceFile(this.disk, path, effect.bytes, false);
        this.owe(effect.file);
        break;
      case "allocate":
        this.open(effect.file).truncate(effect.size);
        break;
      case "truncate":
        this.truncate(path, effect.size);
        break;
      case "delete":
        this.close(effect.file);
        if (this.disk.stat(path) === undefined) break;
        this.disk.rename(path, path + DELETED_SUFFIX);
        this.home.removeLater(
          path + DELETED_SUFFIX,
          this.home.env.clock.monotonic() + this.state.config.fileDeleteDelayMs,
        );
        break;
      case "rename":
        this.close(effect.to);
        this.disk.rename(path, `${this.path}/${effect.to}`);
        this.namesChanged = true;
        break;
      case "remove":
        removeIfThere(this.disk, path);
    }
  }

  private truncate(path: string, size: number): void {
    const known = this.disk.stat(path);
    if (known === undefined || known.size <= size) return;
    const file = this.disk.open(path, "write");
    try {
      file.truncate(size);
    } finally {
      file.close();
    }
  }
}
