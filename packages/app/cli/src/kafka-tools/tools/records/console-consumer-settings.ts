import { Exit, UsageError } from "../../java/exits.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { hashOrderOfTexts } from "../../java/hash-order.ts";
import { parseLong } from "../../java/text.ts";
import { keyValues, loadProperties } from "../../runner/client.ts";
import type { ConsoleConsumerFlag } from "./console-consumer-flags.ts";
import { type MessageFormatter, messageFormatter } from "./message-formatter.ts";

type Options = Chosen<ConsoleConsumerFlag>;

/** Records that kafka-console-consumer reads, and the way to print them. */
export interface Reading {
  readonly topic: string | undefined;
  readonly include: string | undefined;
  readonly partition: number | undefined;
  readonly offset: number | "beginning" | "end";
  readonly timeoutMs: number;
  readonly most: number;
  readonly skipsErrors: boolean;
  readonly events: boolean;
  readonly servers: string | undefined;
  readonly properties: ReadonlyMap<string, string>;
  readonly format: MessageFormatter;
}

const SOME_GROUPS = 100_000;

function checkRequired(chosen: Options): number | undefined {
  chosen.exactlyOne("topic", "include");
  const partition = chosen.number("partition");
  if (partition !== undefined) {
    if (!chosen.has("topic")) throw new UsageError("The topic is required when partition is specified.");
    if (chosen.has("from-beginning") && chosen.has("offset")) {
      throw new UsageError("Options from-beginning and offset cannot be specified together.");
    }
  } else if (chosen.has("offset")) {
    throw new UsageError("The partition is required when offset is specified.");
  }
  chosen.require("bootstrap-server");
  return partition;
}

/** Name under which an option with an older name was given. */
function renamed(chosen: Options, old: ConsoleConsumerFlag, now: ConsoleConsumerFlag): ConsoleConsumerFlag {
  if (!chosen.has(old)) return now;
  console.log(`Option --${old} is deprecated and will be removed in a future version. Use --${now} instead.`);
  return old;
}

function groupOf(chosen: Options, sources: readonly ReadonlyMap<string, string>[], partition: number | undefined) {
  const groups = new Set<string>();
  const own = chosen.text("group");
  if (own !== undefined) groups.add(own);
  for (const source of sources) {
    const group = source.get("group.id");
    if (group !== undefined) groups.add(group);
  }
  if (groups.size > 1) {
    const list = hashOrderOfTexts(groups).map(group => `'${group}'`);
    throw new UsageError(
      `The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: ${list.join(", ")}`,
    );
  }
  if (groups.size > 0 && partition !== undefined) {
    throw new UsageError("Options group and partition cannot be specified together.");
  }
  return [...groups][0];
}

function setReset(chosen: Options, properties: Map<string, string>): void {
  const given = properties.get("auto.offset.reset");
  const fromBeginning = chosen.has("from-beginning");
  if (given === undefined) properties.set("auto.offset.reset", fromBeginning ? "earliest" : "latest");
  else if (fromBeginning && given !== "earliest") {
    console.error(
      `Can't simultaneously specify --from-beginning and 'auto.offset.reset=${given}', please remove one option`,
    );
    throw new Exit(1);
  }
}

function offsetOf(chosen: Options): number | "beginning" | "end" {
  if (!chosen.has("offset")) return chosen.has("from-beginning") ? "beginning" : "end";
  const text = chosen.text("offset") ?? "";
  const word = text.toLowerCase();
  if (word === "earliest") return "beginning";
  if (word === "latest") return "end";
  const offset = parseLong(text);
  if (offset !== undefined && offset >= 0) return offset;
  throw new UsageError(
    `The provided offset value '${text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.`,
  );
}

function formatterOf(chosen: Options): MessageFormatter {
  if (chosen.has("formatter-property") && chosen.has("property")) {
    throw new UsageError("Options --property and --formatter-property cannot be specified together.");
  }
  const name = renamed(chosen, "property", "formatter-property");
  const properties = loadProperties(chosen.text("formatter-config"));
  for (const part of ["key", "value"] as const) {
    const className = chosen.text(`${part}-deserializer`) ?? "";
    if (className !== "") properties.set(`${part}.deserializer`, className);
  }
  for (const [key, value] of keyValues(chosen.texts(name))) properties.set(key, value);
  try {
    return messageFormatter(chosen.text("formatter") ?? "", properties);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Reads the options. Throws `UsageError`, `OptionError` or `Exit`. */
export function readingOf(chosen: Options): Reading {
  const partition = checkRequired(chosen);
  for (const [old, now] of [
    ["consumer-property", "command-property"],
    ["consumer.config", "command-config"],
  ] as const) {
    if (chosen.has(old) && chosen.has(now)) {
      throw new UsageError(`Options --${old} and --${now} cannot be specified together.`);
    }
  }
  const extra = keyValues(chosen.texts(renamed(chosen, "consumer-property", "command-property")));
  const ofFile = loadProperties(chosen.text(renamed(chosen, "consumer.config", "command-config")));
  const group = groupOf(chosen, [ofFile, extra], partition);
  const properties = new Map([...ofFile, ...extra]);
  setReset(chosen, properties);
  if (!properties.has("client.id")) properties.set("client.id", "console-consumer");
  if (chosen.has("isolation-level") || !properties.has("isolation.level")) {
    properties.set("isolation.level", chosen.text("isolation-level") ?? "");
  }
  if (group !== undefined) properties.set("group.id", group);
  else {
    properties.set("group.id", `console-consumer-${Math.floor(Math.random() * SOME_GROUPS)}`);
    // The offsets of such a group are never used again.
    if (!properties.has("enable.auto.commit")) properties.set("enable.auto.commit", "false");
  }
  for (const name of ["key.deserializer", "value.deserializer"]) properties.delete(name);
  const timeout = chosen.number("timeout-ms") ?? -1;
  const offset = offsetOf(chosen);
  return {
    ...{ topic: chosen.text("topic"), include: chosen.text("include"), partition, properties, offset },
    timeoutMs: timeout >= 0 ? timeout : Infinity,
    most: chosen.number("max-messages") ?? -1,
    skipsErrors: chosen.has("skip-message-on-error"),
    events: chosen.has("enable-systest-events"),
    servers: chosen.text("bootstrap-server"),
    format: formatterOf(chosen),
  };
}
