import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** Programs of the image's base that its scripts and those of users call. */
const PROGRAMS = ["sh", "bash", "basename", "cat", "env", "hostname", "id", "sed", "setpriv", "sleep", "touch"];
/** User of the image. */
export const USER = 1000;

/** Reason why no root folder can be a container's here; undefined: it can. */
export function whyNoNamespace(): string | undefined {
  if (process.platform !== "linux") return `${process.platform} has no namespaces`;
  const { status, stderr } = spawnSync("unshare", ["--mount", "--pid", "--fork", "chroot", "/", "true"]);
  return status === 0 ? undefined : `unshare is not permitted: ${stderr?.toString() ?? "it is missing"}`;
}

/** Makes a root folder of the base's programs and what the image has. */
export function makeRoot(root: string, image: string): void {
  cpSync(image, root, { recursive: true, verbatimSymlinks: true });
  for (const folder of ["usr/lib", "usr/lib64", "usr/local/bin", "usr/sbin", "proc", "dev", "tmp", "etc"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const link of ["bin", "lib", "lib64", "sbin"]) symlinkSync(`usr/${link}`, join(root, link));
  for (const name of PROGRAMS) {
    const program = execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    copyFileSync(realpathSync(program), join(root, "usr/bin", name));
  }
  copyFileSync(process.execPath, join(root, "usr/local/bin/node"));
  copyFileSync("/etc/hosts", join(root, "etc/hosts"));
  execFileSync("chown", ["-R", `${USER}:${USER}`, ...["var", "opt/kafka/config", "etc"].map(path => join(root, path))]);
  execFileSync("chmod", ["755", root]);
  execFileSync("chmod", ["1777", join(root, "tmp")]);
}

/** Programs of the container, as the image's user. */
export interface Container {
  readonly process: ChildProcess;
  /** Output and errors so far. */
  readonly printed: () => string;
  /** Resolves once a printed line matches. Rejects if it ends before, or takes more than 60 s. */
  readonly says: (pattern: RegExp) => Promise<void>;
  /** Sends a signal to the first program of the container, and resolves with its exit code once all have ended. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>;
}

/** Runs a command in `root`, with namespaces of mounts and processes of its own, as the image's user. */
export function run(
  root: string,
  command: readonly string[],
  options: {
    readonly environment?: Readonly<Record<string, string>>;
    readonly data: string;
    readonly readOnly?: boolean;
  },
): Container {
  const shared = existsSync("/usr/lib64") ? ["/usr/lib", "/usr/lib64"] : ["/usr/lib"];
  const script = [
    "set -e",
    'mount --bind "$0" "$0"',
    ...shared.map(folder => `mount --bind ${folder} "$0${folder}"`),
    ...(options.readOnly === true ? ['mount -o remount,ro,bind "$0"'] : []),
    'mount --bind "$1" "$0/var/lib/samsa"',
    'mount -t proc proc "$0/proc"',
    'mount --bind /dev "$0/dev"',
    "root=$0",
    "shift",
    `exec chroot "$root" setpriv --reuid ${USER} --regid ${USER} --clear-groups --no-new-privs "$@"`,
  ];
  const words = ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script.join("\n"), root, options.data];
  const child = spawn("unshare", [...words, ...command], {
    env: { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin", ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  let look = (): void => undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      look();
    });
  }
  const ended = new Promise<number | null>(resolve => child.once("exit", resolve));
  return {
    process: child,
    printed: () => printed,
    says: pattern =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`it does not say ${pattern}: ${printed}`)), 60_000);
        look = () => {
          if (!pattern.test(printed)) return;
          clearTimeout(timer);
          resolve();
        };
        void ended.then(code => reject(new Error(`it has ended with ${code}: ${printed}`)));
        look();
      }),
    end: signal => {
      const first = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
      process.kill(Number(first), signal);
      return ended;
    },
  };
}
