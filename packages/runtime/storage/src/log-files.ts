import { type Disk, type DiskFile, entryAt, type Uuid } from "@samsa/base";
import {
  DELETED_SUFFIX,
  fileName,
  LOG_SUFFIX,
  type LogEffect,
  type LogState,
  OFFSET_INDEX_SUFFIX,
  PARTITION_FILE,
  type Segment,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
  writeTopicId,
} from "@samsa/log";
import { removeIfThere, replaceFile } from "./files.ts";
import type { LogHome } from "./log-home.ts";

const OPEN_FILES = 3;
const INDEX_SUFFIXES = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX];

/** Directory of a log. */
export interface Place {
  path: string;
  /** True if `partition.metadata` has the topic's id. */
  hasTopicId: boolean;
}

/** Files of one log: performs effects on them and knows which of them may not be durable. */
export class LogFiles {
  private readonly place: Place;
  private readonly home: LogHome;
  private readonly disk: Disk;
  private readonly state: LogState;
  private readonly opened = new Map<string, DiskFile>();
  /** Small files that the next `sync` must make durable. */
  private readonly owed = new Set<string>();
  /** True if files were created, renamed or removed since the directory was last synced. */
  private namesChanged = true;

  private readonly log: { beginSeal(): void };

  /** Calls `log.beginSeal` when a segment is closed, before the next one is created. */
  constructor(home: LogHome, place: Place, state: LogState, log: { beginSeal(): void }) {
    this.home = home;
    this.log = log;
    this.disk = home.env.disk;
    this.place = place;
    this.state = state;
  }

  /** Makes the files of the first segment, and `partition.metadata` unless it exists. */
  make(topicId: Uuid | undefined): void {
    this.state.isMade = true;
    if (topicId !== undefined && !this.place.hasTopicId) this.name(topicId);
    const { base } = this.state.oldest;
    for (const suffix of [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
      this.disk.open(`${this.path}/${fileName(base, suffix)}`, "create").close();
    }
  }

  /** Writes `partition.metadata`, which the next `sync` makes durable. */
  name(topicId: Uuid): void {
    replaceFile(this.disk, `${this.path}/${PARTITION_FILE}`, writeTopicId(topicId), false);
    this.place.hasTopicId = true;
    this.owe(PARTITION_FILE);
  }

  /** Writes `partition.metadata` of a log without files. */
  nameUnmade(topicId: Uuid | undefined): void {
    if (!this.state.isMade && !this.place.hasTopicId && topicId !== undefined) this.name(topicId);
  }

  get path(): string {
    return this.place.path;
  }

  /** Notes that the directory was renamed. */
  moved(path: string): void {
    this.place.path = path;
    this.namesChanged = true;
  }

  /** The open file with this name. Few files stay open; the active segment's always does. */
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

  /** Adds a file to the next `sync`, if it still exists by then. */
  owe(name: string): void {
    this.owed.add(name);
    this.namesChanged = true;
  }

  /** Makes the files `names` and all owed files durable, and their directory entries too. */
  async sync(names: Iterable<string>): Promise<void> {
    const { clock } = this.home.env;
    const began = clock.monotonic();
    const all = new Set([...this.owed, ...names]);
    this.owed.clear();
    for (const name of all) await this.syncFile(name);
    if (all.size > 0) this.home.flushed(clock.monotonic() - began);
    if (!this.namesChanged) return;
    this.namesChanged = false;
    await this.disk.syncDirectory(this.path);
    // A file is lost if its directory entry is, or the entry of its directory.
    await this.home.syncNames();
  }

  private async syncFile(name: string): Promise<void> {
    const opened = this.opened.get(name);
    if (opened !== undefined) return opened.sync();
    const path = `${this.path}/${name}`;
    // A file that was removed meanwhile needs no sync.
    if (this.disk.stat(path) === undefined) return;
    const file = this.disk.open(path, "write");
    try {
      await file.sync();
    } finally {
      file.close();
    }
  }

  /** Performs effects in order. Adjacent writes to the same file become one write. */
  perform(effects: readonly LogEffect[]): void {
    for (let i = 0; i < effects.length; ) {
      const effect = effects[i++] as LogEffect;
      if (effect.kind !== "write") {
        this.performOne(effect);
        continue;
      }
      const chunks = [effect.bytes];
      let end = effect.position + effect.bytes.length;
      for (; i < effects.length; i++) {
        const next = effects[i] as LogEffect;
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
      if (chunks.length > 1 || entryAt(chunks, 0).length > 0) file.write(chunks, position);
      return;
    }
    const file = this.disk.open(`${this.path}/${name}`, "create");
    try {
      if (entryAt(chunks, 0).length > 0) file.write(chunks, position);
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

/** Names of the files of a segment. */
export function filesOf(segment: Segment): string[] {
  return [segment.file, ...INDEX_SUFFIXES.map(suffix => fileName(segment.base, suffix))];
}
