import { ByteReader, ByteWriter, ZERO_UUID } from "@samsa/base";
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeCoordinatorRecord,
  Errors,
  type ErrorName,
  GROUP_RECORDS,
} from "@samsa/protocol";
import { type GroupEffect, type GroupRequest, GroupShard, type TopicDirectory } from "../src/index.ts";
import { config, noShares, topicId } from "./bench.ts";
import { type Command, shown, type Special } from "./transcript.ts";
import { append } from "./append.ts";

type Reply = Record<string, unknown>;

/** A client of the group `g`, as the replies to it left it. */
interface Client {
  memberId: string;
  instance: string | null;
  generation: number;
  epoch: number;
}

const STATES: ReadonlyMap<unknown, string> = new Map([
  [0, "STABLE"],
  [1, "UNREVOKED_PARTITIONS"],
  [2, "UNRELEASED_PARTITIONS"],
]);

function withVersion(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  writer.i16(1);
  write(writer);
  return writer.finish();
}

function subscription(topics: readonly string[], owned: readonly number[]): Uint8Array {
  const ownedPartitions = owned.length === 0 ? [] : [{ topic: "t", partitions: [...owned] }];
  return withVersion(writer =>
    consumerProtocolSubscription.encode(writer, { topics: [...topics], ownedPartitions }, 1),
  );
}

function assignment(partitions: readonly number[]): Uint8Array {
  const assignedPartitions = [{ topic: "t", partitions: [...partitions] }];
  return withVersion(writer => consumerProtocolAssignment.encode(writer, { assignedPartitions }, 1));
}

function list(text: string): string[] {
  return text === "" || text === "-" ? [] : text.split(",");
}

function decoded(name: string, bytes: Uint8Array): object {
  const reader = new ByteReader(bytes);
  const version = reader.i16();
  if (name === "assignment") return consumerProtocolAssignment.decode(reader, version);
  const { generationId, ...rest } = consumerProtocolSubscription.decode(reader, version);
  return generationId === -1 ? rest : { ...rest, generationId };
}

/** Plays the commands of transcripts of groups; appends succeed at once, unless a command says otherwise. */
export class GroupCommands {
  now = 1000;
  #ids = 0;
  #tickets = 0;
  #failing: ErrorName = "NONE";
  #deadline = Infinity;
  #version = 0;
  readonly #clients = new Map<string, Client>();
  /** Client and request of each ticket that has no reply yet. */
  readonly #asked = new Map<number, { readonly name: string; readonly verb: string }>();
  readonly #log: { key: Uint8Array; value: Uint8Array | null }[] = [];
  readonly #topics = new Map<string, number>();
  #shard: GroupShard;

  constructor() {
    this.#shard = this.#fresh();
    this.#shard.loaded(this.now, []);
  }

  #fresh(): GroupShard {
    return new GroupShard(config, () => String(++this.#ids), noShares);
  }

  readonly play = (command: Command): string[] => {
    const lines = this.#run(command);
    const next = this.#shard.nextDeadline();
    if (next !== this.#deadline) lines.push(next === Infinity ? "no timer" : `next timer at ${next} ms`);
    this.#deadline = next;
    return lines;
  };

  #run(command: Command): string[] {
    const [name = ""] = command.words;
    switch (command.verb) {
      case "topic":
        return this.#topic(name, Number(command.words[1]));
      case "pass":
        return this.#pass(Number(name));
      case "reload":
        return this.#reload();
      case "fail":
        this.#failing = name as ErrorName;
        return [];
      case "groups":
        return this.#shard.list().map(({ groupId, ...group }) => shown(groupId, group, this.#special).join("\n"));
      case "offsets":
        return this.#offsets();
      default:
        return this.#send(command, name);
    }
  }

  #topic(name: string, partitions: number): string[] {
    const created = !this.#topics.has(name);
    this.#topics.set(name, partitions);
    this.#version++;
    this.#shard.topicsChanged(this.#directory(), new Set([name]), created);
    return [];
  }

  #directory(): TopicDirectory {
    const topics = new Map(this.#topics);
    const nameOf = (id: unknown) => [...topics.keys()].find(name => topicId(name) === id);
    return {
      version: this.#version,
      idOf: name => (topics.has(name) ? topicId(name) : undefined),
      nameOf,
      partitions: id => topics.get(nameOf(id) ?? "") ?? 0,
      racks: () => [],
      names: () => topics.keys(),
    };
  }

  #pass(ms: number): string[] {
    const until = this.now + ms;
    const lines: string[] = [];
    while (this.#shard.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.#shard.nextDeadline());
      const out: GroupEffect[] = [];
      this.#shard.tick(this.now, out);
      const done = this.#settle(out);
      if (done.length > 0) lines.push(`at ${this.now} ms`, ...done);
    }
    this.now = until;
    return lines;
  }

  #reload(): string[] {
    const out: GroupEffect[] = [];
    this.#shard.unload(this.now, Errors.NOT_COORDINATOR.code, out);
    const lines = this.#settle(out);
    this.#shard = this.#fresh();
    this.#shard.topicsChanged(this.#directory(), new Set(), true);
    for (const record of this.#log) this.#shard.replay(this.now, record);
    this.#shard.loaded(this.now, out);
    return [...lines, ...this.#settle(out)];
  }

  #offsets(): string[] {
    const topics = this.#shard.committed.fetch("g", null, false);
    return topics.flatMap(({ name, partitions }) =>
      partitions.flatMap(partition => shown(name, partition, this.#special)),
    );
  }

  #send(command: Command, name: string): string[] {
    const client = this.#clientOf(name, command.take("instance", this.#clients.get(name)?.instance ?? "-"));
    const request = this.#request(command, client, name);
    const ticket = ++this.#tickets;
    this.#asked.set(ticket, { name, verb: command.verb });
    const out: GroupEffect[] = [];
    this.#shard.request(this.now, ticket, request, out);
    return this.#settle(out);
  }

  #clientOf(name: string, instance: string): Client {
    let client = this.#clients.get(name);
    client ??= { memberId: "", instance: null, generation: -1, epoch: 0 };
    client.instance = instance === "-" ? null : instance;
    this.#clients.set(name, client);
    return client;
  }

  #request(command: Command, client: Client, name: string): GroupRequest {
    const groupId = "g";
    const memberId = command.take("member", client.memberId);
    const groupInstanceId = client.instance;
    const generationId = command.number("generation", client.generation);
    const from = { id: name, host: "/127.0.0.1" };
    const common = { groupId, memberId, groupInstanceId };
    switch (command.verb) {
      case "join": {
        const metadata = subscription(list(command.take("topics", "t")), list(command.take("owned", "")).map(Number));
        const protocols = list(command.take("protocols", "range")).map(protocol => ({ name: protocol, metadata }));
        const times = {
          sessionTimeoutMs: command.number("session", 10_000),
          rebalanceTimeoutMs: command.number("rebalance", 20_000),
        };
        const body = { ...common, ...times, protocolType: "consumer", protocols, reason: null };
        return { type: "join", version: 9, client: from, body };
      }
      case "sync": {
        const assignments = [...command.rest()].map(([of, partitions]) => ({
          memberId: this.#clients.get(of)?.memberId ?? of,
          assignment: assignment(list(partitions).map(Number)),
        }));
        const body = { ...common, generationId, protocolType: "consumer", protocolName: "range", assignments };
        return { type: "sync", body };
      }
      case "heartbeat":
        return { type: "heartbeat", body: { ...common, generationId } };
      case "leave": {
        const members = [{ memberId: groupInstanceId === null ? memberId : "", groupInstanceId, reason: null }];
        return { type: "leave", version: 5, body: { groupId, memberId: "", members } };
      }
      case "commit":
        return this.#commit(command, common, Math.max(generationId, client.epoch === 0 ? -1 : client.epoch));
      case "beat":
        return this.#beat(command, client, from);
      default:
        throw new Error(`no command ${command.verb}`);
    }
  }

  #commit(
    command: Command,
    common: { groupId: string; memberId: string; groupInstanceId: string | null },
    generationIdOrMemberEpoch: number,
  ): GroupRequest {
    const partitions = command.words.slice(1).map(word => {
      const [partitionIndex = 0, committedOffset = 0] = word.split(":").map(Number);
      return { partitionIndex, committedOffset, committedLeaderEpoch: -1, committedMetadata: "" };
    });
    const topics = [{ name: "t", topicId: topicId("t"), partitions }];
    return { type: "commit", version: 9, body: { ...common, generationIdOrMemberEpoch, retentionTimeMs: -1, topics } };
  }

  #beat(command: Command, client: Client, from: { id: string; host: string }): GroupRequest {
    client.memberId = client.memberId === "" ? command.take("member", from.id) : client.memberId;
    const topics = command.take("topics", "");
    const owned = command.take("owned", "");
    const ownedPartitions = owned === "-" ? [] : [{ topicId: topicId("t"), partitions: list(owned).map(Number) }];
    const body = {
      groupId: "g",
      memberId: client.memberId,
      memberEpoch: command.number("epoch", client.epoch),
      instanceId: client.instance,
      rackId: null,
      rebalanceTimeoutMs: command.number("rebalance", topics === "" ? -1 : 30_000),
      subscribedTopicNames: topics === "" ? null : list(topics),
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: owned === "" ? (topics === "" ? null : []) : ownedPartitions,
    };
    return { type: "consumerHeartbeat", version: 1, client: from, body };
  }

  #settle(effects: GroupEffect[]): string[] {
    const lines: string[] = [];
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") lines.push(...this.#replied(next.ticket, next.response as Reply));
      else if (next.type === "warn") lines.push(`warning: ${next.message}`);
      else if (next.type === "append") lines.push(...this.#append(next, effects));
    }
    return lines;
  }

  #append({ token, records }: Extract<GroupEffect, { type: "append" }>, effects: GroupEffect[]): string[] {
    const failing = this.#failing;
    this.#failing = "NONE";
    append(this.#shard, this.now, { records, log: this.#log, isWritten: failing === "NONE" });
    this.#shard.appended(this.now, token, Errors[failing].code, effects);
    const head = failing === "NONE" ? "append" : `append, which fails with ${failing}`;
    return [head, ...records.flatMap(record => this.#recordLines(record)).map(line => `  ${line}`)];
  }

  #recordLines(record: { key: Uint8Array; value: Uint8Array | null }): string[] {
    const found = decodeCoordinatorRecord(GROUP_RECORDS, record);
    if (found === undefined) return ["an unknown record"];
    const [key = ""] = shown(found.type, found.key, this.#special);
    return found.value === null ? [`${key} => tombstone`] : shown(`${key} =>`, found.value, this.#special);
  }

  #replied(ticket: number, response: Reply): string[] {
    const { name, verb } = this.#asked.get(ticket) ?? { name: "?", verb: "?" };
    this.#asked.delete(ticket);
    const client = this.#clients.get(name);
    const { memberId, generationId, memberEpoch } = response;
    if (client !== undefined && typeof memberId === "string" && memberId !== "") client.memberId = memberId;
    if (client !== undefined && typeof generationId === "number" && generationId >= 0) client.generation = generationId;
    if (client !== undefined && verb === "beat" && response.errorCode === 0) client.epoch = Number(memberEpoch);
    return shown(`reply to ${verb} of ${name}:`, response, this.#special);
  }

  /** Shows topic ids as names, states by name, and the bytes of the consumer protocol as fields. */
  readonly #special: Special = (name, value) => {
    if (name === "topicId") return [...this.#topics.keys()].find(topic => topicId(topic) === value) ?? undefined;
    if (name === "state") return STATES.get(value);
    if (name === "clientHost" || name === "leaderEpoch" || value === ZERO_UUID) return undefined;
    return value instanceof Uint8Array ? decoded(name, value) : undefined;
  };
}
