import { randomUuid } from "@samsa/base";
import { firstCredentials, type FirstQuorum, formatStorage, storageInfo } from "@samsa/broker";
import { nodeEnv } from "@samsa/node";
import { createLogger } from "../terminal/logger.ts";
import { Failure } from "../terminal/failure.ts";
import { placed, readSettings } from "../settings/settings-file.ts";

/** Options of `samsa storage format`. */
export interface StorageFormatOptions {
  readonly clusterId: string;
  readonly config: string;
  readonly ignoreFormatted?: boolean;
  readonly standalone?: boolean;
  /** False for `--no-initial-controllers`, text for `--initial-controllers`. */
  readonly initialControllers?: boolean | string;
  readonly releaseVersion?: string;
  readonly feature: readonly string[];
  /** Credentials of users: `SCRAM-SHA-256=[name=alice,password=secret]`. */
  readonly addScram: readonly string[];
}

const env = () => nodeEnv({ logger: createLogger("warn") });

function quorumOf({ standalone, initialControllers }: StorageFormatOptions): FirstQuorum | undefined {
  if (standalone === true) {
    if (initialControllers === undefined) return { kind: "standalone" };
    throw new Failure("--standalone, --initial-controllers and --no-initial-controllers exclude one another");
  }
  if (typeof initialControllers === "string") return { kind: "voters", voters: initialControllers };
  return initialControllers === false ? { kind: "none" } : undefined;
}

/** `samsa storage format`. */
export async function format(options: StorageFormatOptions): Promise<void> {
  const quorum = quorumOf(options);
  const own = env();
  const lines = formatStorage(own, {
    settings: placed(readSettings(options.config, [])),
    clusterId: options.clusterId,
    ignoreFormatted: options.ignoreFormatted === true,
    features: options.feature,
    credentials: await firstCredentials(own, options.addScram),
    ...(quorum === undefined ? {} : { quorum }),
    ...(options.releaseVersion === undefined ? {} : { releaseVersion: options.releaseVersion }),
  });
  for (const line of lines) console.log(line);
}

/** `samsa storage info`. Returns the exit code, which is 1 if it finds problems. */
export function info(options: { readonly config: string }): number {
  const { lines, ok } = storageInfo(env(), placed(readSettings(options.config, [])));
  for (const line of lines) console.log(line);
  return ok ? 0 : 1;
}

/** `samsa storage random-uuid`. */
export function printUuid(): void {
  const { random } = env();
  console.log(randomUuid(length => random.bytes(length)));
}
