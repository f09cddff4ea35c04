import { MalformedError, type Pattern } from "@samsa/base";
import type { ShardRecord } from "../shard/effects.ts";
import type { Client } from "../group/context.ts";
import type { ConsumerContext } from "./context.ts";
import type { ConsumerGroup } from "./group.ts";
import type { Resolved } from "./records.ts";
import { epochRecord, regexRecord } from "./records.ts";

/** Number of matches of a name with a pattern in one step; each takes 10 to 30 µs. */
const MATCHES_AT_ONCE = 500;
const REFRESH_MS = 2147483647;

interface Asked {
  readonly regex: string;
  /** Undefined if the log has a pattern that is not valid here: it matches nothing. */
  readonly matches: Pattern | undefined;
  readonly topics: Set<string>;
}

/** Resolves the patterns of one group against all topics, a part at a time. */
export class RegexResolver {
  readonly #patterns: readonly Asked[];
  readonly #names: Iterator<string>;
  readonly #version: number;
  readonly #timestamp: number;
  readonly #sees: NonNullable<Client["sees"]>;

  /** `sees` tells which topics the client may describe that the patterns are resolved for. */
  constructor(context: ConsumerContext, group: ConsumerGroup, sees: Client["sees"] = () => true) {
    this.#sees = sees;
    this.#patterns = [...group.subscriptions.regexes.keys()].map(regex => {
      return { regex, matches: compiled(context, regex), topics: new Set() };
    });
    this.#names = context.topics.names()[Symbol.iterator]();
    this.#version = context.topics.version;
    this.#timestamp = context.wall;
  }

  /** Matches the next topics; true once all topics have been matched. */
  advance(): boolean {
    for (let matches = 0; matches < MATCHES_AT_ONCE; matches += 1 + this.#patterns.length) {
      const next = this.#names.next();
      if (next.done === true) return true;
      for (const { matches: isMatch, topics } of this.#patterns) {
        if (isMatch?.(next.value) && this.#sees(next.value)) topics.add(next.value);
      }
    }
    return false;
  }

  /** Records of the result, for the current subscriptions of the group (`handleRegularExpressionsResult`). */
  records(context: ConsumerContext, group: ConsumerGroup): ShardRecord[] {
    const records: ShardRecord[] = [];
    const { subscriptions } = group;
    const topics = new Set(subscriptions.names.keys());
    let bump = false;
    for (const { regex, topics: found } of this.#patterns) {
      if (!subscriptions.regexes.has(regex)) continue;
      const resolved: Resolved = { topics: found, version: this.#version, timestamp: this.#timestamp };
      const old = group.resolved.get(regex)?.topics ?? new Set();
      if (old.size !== found.size || ![...found].every(name => old.has(name))) bump = true;
      records.push(regexRecord(group.id, regex, resolved));
      for (const name of found) topics.add(name);
    }
    for (const regex of subscriptions.regexes.keys()) {
      if (this.#patterns.some(pattern => pattern.regex === regex)) continue;
      for (const name of group.resolved.get(regex)?.topics ?? []) topics.add(name);
    }
    const hash = context.hashes.of(context.topics, topics);
    if (!bump && hash === group.metadataHash) return records;
    records.push(epochRecord(group.id, group.epoch + 1, hash));
    group.refresh = { at: context.wall + REFRESH_MS, epoch: group.epoch + 1 };
    return records;
  }
}

function compiled({ config }: ConsumerContext, regex: string): Pattern | undefined {
  try {
    return config.consumer.pattern(regex);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}
