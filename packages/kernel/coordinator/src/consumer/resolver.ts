import type { ShardRecord } from "../effects.ts";
import { RegexError } from "../regex/classes.ts";
import { TopicRegex } from "../regex/matcher.ts";
import type { ConsumerContext } from "./context.ts";
import type { ConsumerGroup, Resolved } from "./group.ts";
import { epochRecord, regexRecord } from "./records.ts";

/** How much matching is done before others have their turn: steps of patterns, and topics. */
const WORK_AT_ONCE = 200_000;
const REFRESH_MS = 2147483647;

interface Pattern {
  readonly regex: string;
  /** Undefined for one that a log has and that is not valid here: it matches nothing. */
  readonly matcher: TopicRegex | undefined;
  readonly topics: Set<string>;
}

/** Resolves the patterns of one group against all topics, a part at a time. */
export class RegexResolver {
  readonly #patterns: readonly Pattern[];
  readonly #names: Iterator<string>;
  readonly #version: number;
  readonly #timestamp: number;

  constructor(context: ConsumerContext, group: ConsumerGroup) {
    this.#patterns = [...group.subscriptions.regexes.keys()].map(regex => {
      return { regex, matcher: compiled(regex), topics: new Set() };
    });
    this.#names = context.topics.names()[Symbol.iterator]();
    this.#version = context.topics.version;
    this.#timestamp = context.wall;
  }

  /** Goes on; whether all topics have been seen. */
  advance(): boolean {
    let work = 0;
    while (work < WORK_AT_ONCE) {
      const next = this.#names.next();
      if (next.done === true) return true;
      for (const { matcher, topics } of this.#patterns) {
        if (matcher === undefined) continue;
        const before = matcher.work;
        if (matcher.matches(next.value)) topics.add(next.value);
        work += 1 + matcher.work - before;
      }
    }
    return false;
  }

  /** What is to be written, for the group as it is now (`handleRegularExpressionsResult`). */
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

function compiled(regex: string): TopicRegex | undefined {
  try {
    return new TopicRegex(regex);
  } catch (error) {
    if (error instanceof RegexError) return undefined;
    throw error;
  }
}
