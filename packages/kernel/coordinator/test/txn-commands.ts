import { decodeCoordinatorRecord, type ErrorName, Errors, TRANSACTION_RECORDS } from "@samsa/protocol";
import { type ProducerReply, TransactionShard, TXN_STATES, type TxnEffect, type TxnRequest } from "../src/index.ts";
import { type Command, shown, type Special } from "./transcript.ts";
import { namesOf, partitionsOf } from "./txn-bench.ts";

/** Id and epoch that a producer uses. */
interface Producer {
  id: bigint;
  epoch: number;
}

type Markers = Extract<TxnEffect, { type: "markers" }>;

const special: Special = (name, value) => (name === "transactionStatus" ? TXN_STATES[Number(value)] : undefined);

/** Plays the commands of transcripts of transactions. Markers wait for the command that tells their outcome. */
export class TxnCommands {
  now = 1000;
  #tickets = 0;
  #nextId = 1000n;
  #version = 2;
  #failing: ErrorName = "NONE";
  #deadline = Infinity;
  readonly #producers = new Map<string, Producer>();
  /** Producer and request of each ticket that has no reply yet. */
  readonly #asked = new Map<number, { readonly name: string; readonly verb: string }>();
  readonly #log: { key: Uint8Array; value: Uint8Array | null }[] = [];
  #markers: Markers | undefined;
  #shard: TransactionShard;

  constructor() {
    this.#shard = this.#fresh();
    this.#shard.loaded(this.now, []);
  }

  #fresh(): TransactionShard {
    return new TransactionShard({
      maxTimeoutMs: 60_000,
      idExpirationMs: 604_800_000,
      requestTimeoutMs: 30_000,
      version: () => this.#version,
    });
  }

  readonly play = (command: Command): string[] => {
    const lines = this.#run(command);
    const next = this.#shard.nextDeadline();
    if (next !== this.#deadline) lines.push(next === Infinity ? "no timer" : `next timer at ${next} ms`);
    this.#deadline = next;
    return lines;
  };

  #run(command: Command): string[] {
    const [name = "", ...words] = command.words;
    switch (command.verb) {
      case "version":
        this.#version = Number(name);
        return [];
      case "fail":
        this.#failing = name as ErrorName;
        return [];
      case "pass":
        return this.#pass(Number(name));
      case "abort-timed-out":
        return this.#do(out => this.#shard.abortTimedOut(this.now, out, () => {}));
      case "marked":
        return this.#marked([name, ...words]);
      case "reload":
        return this.#reload();
      case "describe":
        return [...this.#shard.views()].flatMap(({ transactionalId, partitions, ...view }) =>
          shown(transactionalId, { ...view, partitions: namesOf(partitions) }, special),
        );
      default:
        return this.#send(command, name, words);
    }
  }

  #pass(ms: number): string[] {
    const until = this.now + ms;
    const lines: string[] = [];
    while (this.#shard.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.#shard.nextDeadline());
      const done = this.#do(out => this.#shard.tick(this.now, out));
      if (done.length > 0) lines.push(`at ${this.now} ms`, ...done);
    }
    this.now = until;
    return lines;
  }

  /** Gives the outcome of markers: names of partitions, and the error, if there is one. */
  #marked(words: readonly string[]): string[] {
    const { token } = this.#markers ?? { token: 0 };
    const error = words.find(word => word in Errors) as ErrorName | undefined;
    const errorCode = Errors[error ?? "NONE"].code;
    return words.flatMap(word => {
      if (word === error) return [];
      const [topic = "", index] = word.split("-");
      return this.#do(out => this.#shard.marked(this.now, token, { topic, index: Number(index), errorCode }, out));
    });
  }

  #reload(): string[] {
    const lines = this.#do(out => this.#shard.unload(this.now, Errors.NOT_COORDINATOR.code, out));
    this.#shard = this.#fresh();
    for (const record of this.#log) this.#shard.replay(this.now, record);
    return [...lines, ...this.#do(out => this.#shard.loaded(this.now, out))];
  }

  #send(command: Command, name: string, words: readonly string[]): string[] {
    const request = this.#request(command, name, words);
    const ticket = ++this.#tickets;
    this.#asked.set(ticket, { name, verb: command.verb });
    return this.#do(out => this.#shard.request(this.now, ticket, request, out));
  }

  #request(command: Command, name: string, words: readonly string[]): TxnRequest {
    const transactionalId = command.take("id", "x");
    const producer = { ...(this.#producers.get(name) ?? { id: -1n, epoch: -1 }) };
    const clientVersion = command.number("client", 2);
    switch (command.verb) {
      case "init": {
        const expected = command.take("continues", "no") === "yes" ? producer : undefined;
        return { type: "init", transactionalId, timeoutMs: command.number("timeout", 60_000), expected };
      }
      case "add":
        return { type: "add", transactionalId, producer, partitions: partitionsOf(...words), clientVersion };
      case "commit":
      case "abort":
        return { type: "end", transactionalId, producer, commit: command.verb === "commit", clientVersion };
      default:
        throw new Error(`no command ${command.verb}`);
    }
  }

  #do(action: (out: TxnEffect[]) => void): string[] {
    const effects: TxnEffect[] = [];
    action(effects);
    const lines: string[] = [];
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") lines.push(...this.#replied(next.ticket, next.response as ProducerReply));
      else if (next.type === "append") lines.push(...this.#append(next, effects));
      else if (next.type === "markers") {
        this.#markers = next;
        const { commit, ...marker } = next.marker;
        const head = `write markers ${commit ? "COMMIT" : "ABORT"} to ${namesOf(next.partitions).join(", ")}:`;
        lines.push(...shown(head, marker, special));
      } else {
        lines.push(`fetch a producer id, which is ${this.#nextId}`);
        this.#shard.producerId(this.now, next.token, { id: this.#nextId++ }, effects);
      }
    }
    return lines;
  }

  #append({ token, records }: Extract<TxnEffect, { type: "append" }>, effects: TxnEffect[]): string[] {
    const failing = this.#failing;
    this.#failing = "NONE";
    if (failing === "NONE") this.#log.push(...records);
    this.#shard.appended(this.now, token, Errors[failing].code, effects);
    const head = failing === "NONE" ? "append" : `append, which fails with ${failing}`;
    return [head, ...records.flatMap(record => recordLines(record)).map(line => `  ${line}`)];
  }

  #replied(ticket: number, response: ProducerReply): string[] {
    const { name, verb } = this.#asked.get(ticket) ?? { name: "?", verb: "?" };
    this.#asked.delete(ticket);
    const { producerId: id, producerEpoch: epoch } = response;
    if (response.errorCode === 0 && epoch >= 0) this.#producers.set(name, { id, epoch });
    return shown(`reply to ${verb} of ${name}:`, response, special);
  }
}

function recordLines(record: { key: Uint8Array; value: Uint8Array | null }): string[] {
  const found = decodeCoordinatorRecord(TRANSACTION_RECORDS, record);
  if (found === undefined) return ["an unknown record"];
  const [key = ""] = shown(found.type, found.key, special);
  return found.value === null ? [`${key} => tombstone`] : shown(`${key} =>`, found.value, special);
}
