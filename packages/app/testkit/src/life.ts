import {
  type Connection,
  type ConnectionHandler,
  type Disk,
  DiskError,
  type DiskFile,
  type Env,
  type Listener,
  type Network,
  NetworkError,
  type Timer,
  type Timers,
} from "@samsa/base";

/**
 * Life of a node's process inside this one: `end` takes away its timers, its sockets and its disk at once, as the end
 * of a process does. What it has written stays.
 */
export class Life {
  readonly env: Env;
  readonly #timers = new Set<Timer>();
  readonly #listeners = new Set<Listener>();
  readonly #connections = new Set<Connection>();
  #isOver = false;

  constructor(env: Env) {
    this.env = {
      ...env,
      timers: this.#mortalTimers(env.timers),
      network: this.#mortalNetwork(env.network),
      disk: this.#mortalDisk(env.disk),
    };
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers) timer.cancel();
    for (const listener of this.#listeners) {
      listener.close().catch((error: unknown) => this.env.logger.warn("a listener did not close", { error }));
    }
    for (const connection of [...this.#connections]) connection.destroy();
    this.#timers.clear();
    this.#listeners.clear();
    this.#connections.clear();
  }

  #mortalTimers(timers: Timers): Timers {
    return {
      after: (delayMs, callback) => {
        if (this.#isOver) return { cancel: () => undefined };
        const timer = timers.after(delayMs, () => {
          this.#timers.delete(timer);
          if (!this.#isOver) callback();
        });
        this.#timers.add(timer);
        return {
          cancel: () => {
            timer.cancel();
            this.#timers.delete(timer);
          },
        };
      },
      hold: () => timers.hold(),
      soon: callback =>
        timers.soon(() => {
          if (!this.#isOver) callback();
        }),
    };
  }

  #mortalNetwork(network: Network): Network {
    const kept = (connection: Connection): void => void this.#connections.add(connection);
    const alive = (): void => {
      if (this.#isOver) throw new NetworkError("ECONNABORTED", "the node has ended");
    };
    return {
      hostName: network.hostName,
      checkTls: network.checkTls,
      resolve: host => network.resolve(host),
      listen: async (host, port, accept, options) => {
        alive();
        const watched = (connection: Connection): ConnectionHandler => {
          kept(connection);
          return this.#watched(connection, accept(connection));
        };
        const listener = await network.listen(host, port, watched, options);
        this.#listeners.add(listener);
        return {
          ...listener,
          close: () => {
            this.#listeners.delete(listener);
            return listener.close();
          },
        };
      },
      connect: async (host, port, options, open) => {
        alive();
        return network.connect(host, port, options, connection => {
          kept(connection);
          return this.#watched(connection, open(connection));
        });
      },
    };
  }

  #watched(connection: Connection, handler: ReturnType<Parameters<Network["listen"]>[2]>): typeof handler {
    return {
      onData: chunk => !this.#isOver && handler.onData(chunk),
      onDrain: () => !this.#isOver && handler.onDrain(),
      onClose: error => {
        this.#connections.delete(connection);
        if (!this.#isOver) handler.onClose(error);
      },
    };
  }

  #mortalDisk(disk: Disk): Disk {
    const alive = (path: string): void => {
      if (this.#isOver) throw new DiskError("EIO", path, "the node has ended");
    };
    return {
      open: (path, mode) => {
        alive(path);
        return mortalFile(disk.open(path, mode), () => alive(path));
      },
      list: path => {
        alive(path);
        return disk.list(path);
      },
      stat: path => {
        alive(path);
        return disk.stat(path);
      },
      space: async path => {
        alive(path);
        return disk.space(path);
      },
      makeDirectory: path => {
        alive(path);
        disk.makeDirectory(path);
      },
      rename: (from, to) => {
        alive(from);
        disk.rename(from, to);
      },
      removeFile: path => {
        alive(path);
        disk.removeFile(path);
      },
      removeTree: async path => {
        alive(path);
        return disk.removeTree(path);
      },
      syncDirectory: async path => {
        alive(path);
        return disk.syncDirectory(path);
      },
      syncDirectoryNow: path => {
        alive(path);
        disk.syncDirectoryNow(path);
      },
      lock: path => {
        alive(path);
        return disk.lock(path);
      },
    };
  }
}

function mortalFile(file: DiskFile, alive: () => void): DiskFile {
  return {
    path: file.path,
    size: () => {
      alive();
      return file.size();
    },
    read: (target, position) => {
      alive();
      return file.read(target, position);
    },
    readLater: async (target, position) => {
      alive();
      return file.readLater(target, position);
    },
    write: (chunks, position) => {
      alive();
      file.write(chunks, position);
    },
    truncate: size => {
      alive();
      file.truncate(size);
    },
    sync: async () => {
      alive();
      await file.sync();
      alive();
    },
    syncNow: () => {
      alive();
      file.syncNow();
    },
    close: () => file.close(),
  };
}
