import { Alarm, type BrokerId, type Env, guardEach } from "@samsa/base";
import {
  type DeadLetterEffect,
  DeadLetterQueue,
  type DeadLetters,
  type DeadLetterView,
  type DeadLetterWrite,
  type LogRead,
  type Ticket,
} from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import type { Tools } from "@samsa/records";
import { WireError } from "@samsa/wire";
import type { ControllerChannel } from "../controller/controller-channel.ts";
import type { BrokerPeers } from "../peers/broker-peers.ts";
import type { Partition } from "../replica/partition.ts";
import { DeadLetterRequest } from "./dead-letter-request.ts";

interface Host {
  readonly env: Pick<Env, "clock" | "timers" | "random" | "logger">;
  readonly tools: Tools;
  readonly peers: Pick<BrokerPeers, "call">;
  readonly channel: ControllerChannel;
  readonly view: DeadLetterView;
  /** True if the dead letters of a group carry the data of their records. */
  readonly copiesRecords: (groupId: string) => boolean;
}

/** Letters that are being written, and those who wait for the end of it. */
interface Delivery {
  readonly id: string;
  readonly letters: DeadLetters;
  readonly source: Partition;
  readonly done: (() => void)[];
}

/** Counts of a group's dead letters (`ShareGroupMetrics`). */
export interface DeadLetterCounts {
  /** Letters that were written. */
  records: number;
  /** Parts of requests that carried letters. */
  requests: number;
  /** Runs of letters that were given up, in whole or in part. */
  failed: number;
}

type Write = Extract<DeadLetterEffect, { type: "write" }>;

/** Bytes of a read of original records (`DLQ_MAX_FETCH_BYTES`). */
const READ_BYTES = 1 << 20;
/** Groups with counts; a further one takes the place of the group that was counted first. */
const MOST_GROUPS = 1000;
const NOTHING: LogRead = { chunks: [] };
const CREATE_TIMEOUT_MS = 30_000;

/**
 * Writes dead letters of share groups to the topics of their groups (KIP-1191, `ShareGroupDLQManager`). The topic's
 * leader gets them as from any producer, so that all of its rules hold, even if it is this broker.
 */
export class DeadLetterWriter {
  readonly #host: Host;
  readonly #queue: DeadLetterQueue;
  readonly #deliveries = new Map<Ticket, Delivery>();
  /** Tickets by what is delivered. */
  readonly #tickets = new Map<string, Ticket>();
  readonly #alarm: Alarm;
  readonly #counts = new Map<string, DeadLetterCounts>();
  #lastTicket = 0;
  #isClosed = false;

  constructor(host: Host) {
    this.#host = host;
    this.#queue = new DeadLetterQueue(host.view);
    this.#alarm = new Alarm(host.env, () => this.#run((queue, now, chance, out) => queue.tick(now, chance, out)));
  }

  /** Number of runs of letters that are not written yet. */
  get size(): number {
    return this.#queue.size;
  }

  /** Counts by group. */
  get counts(): ReadonlyMap<string, Readonly<DeadLetterCounts>> {
    return this.#counts;
  }

  /**
   * Writes dead letters of records in `source`; then calls `done` once, whatever has come of it: a failure is logged.
   * Letters that are being written already, for a share partition that was closed meanwhile, are not written twice.
   */
  add(letters: DeadLetters, source: Partition, done: () => void): void {
    const { groupId, topicId, partition, firstOffset, lastOffset } = letters;
    const id = `${groupId}:${topicId}:${partition}:${firstOffset}-${lastOffset}`;
    const known = this.#deliveries.get(this.#tickets.get(id) ?? 0);
    if (known !== undefined) return void known.done.push(done);
    const ticket = ++this.#lastTicket;
    this.#deliveries.set(ticket, { id, letters, source, done: [done] });
    this.#tickets.set(id, ticket);
    this.#run((queue, now, chance, out) => queue.add(now, chance, { ticket, letters }, out));
  }

  /** Ends all work. The next leaders of the share partitions write the letters that are left. */
  close(): void {
    this.#isClosed = true;
    this.#alarm.stop();
    this.#deliveries.clear();
    this.#tickets.clear();
  }

  #run(step: (queue: DeadLetterQueue, now: number, chance: number, out: DeadLetterEffect[]) => void): void {
    if (this.#isClosed) return;
    const { clock, random } = this.#host.env;
    const out: DeadLetterEffect[] = [];
    step(this.#queue, clock.monotonic(), random.next(), out);
    for (const effect of out) {
      if (effect.type === "create") this.#create(effect.topic);
      else if (effect.type === "write") this.#write(effect);
      else this.#done(effect.ticket, effect.fault);
    }
    this.#alarm.set(this.#queue.nextDeadline());
  }

  /** Creates a topic, with the defaults of the cluster (`createTopicBuilder`). */
  #create(topic: string): void {
    const configs = [
      { name: "errors.deadletterqueue.group.enable", value: "true" },
      // The letters have the time at which they were written already.
      { name: "message.timestamp.type", value: "CreateTime" },
    ];
    const wanted = { name: topic, numPartitions: -1, replicationFactor: -1, assignments: [], configs };
    const request = { topics: [wanted], timeoutMs: CREATE_TIMEOUT_MS, validateOnly: false };
    const ended = (errorCode: number): void =>
      this.#run((queue, now, chance, out) => queue.created(now, chance, { topic, errorCode }, out));
    this.#host.channel.call("CreateTopics", request).then(
      ({ topics }) => ended(topics[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR.code),
      (error: unknown) => {
        this.#host.env.logger.error("a topic for dead letters could not be created", { topic, error });
        ended(Errors.UNKNOWN_SERVER_ERROR.code);
      },
    );
  }

  #write({ leader, writes }: Write): void {
    const { env, tools } = this.#host;
    let request: DeadLetterRequest;
    try {
      request = new DeadLetterRequest(writes, { tools, now: () => env.clock.now(), readerOf: of => this.#reader(of) });
    } catch (error) {
      env.logger.error("dead letters could not be packed", { leader, error });
      const { code: errorCode } = Errors.UNKNOWN_SERVER_ERROR;
      const outcomes = writes.map(({ ticket, letters }) => ({ ticket, errorCode, lastOffset: letters.lastOffset }));
      // Later, as this may be in the middle of a step.
      env.timers.soon(() =>
        this.#run((queue, now, chance, out) => queue.written(now, chance, { leader, outcomes }, out)),
      );
      return;
    }
    for (const { write } of request.counts) this.#countsOf(write.letters.groupId).requests++;
    this.#send(leader, request);
  }

  #send(leader: BrokerId, request: DeadLetterRequest): void {
    const { env, peers } = this.#host;
    peers
      .call(leader, "Produce", request.body())
      .then(
        response => request.outcomes(response),
        (error: unknown) => {
          const isWire = error instanceof WireError;
          if (!isWire) env.logger.error("dead letters could not be sent", { leader, error });
          return request.failed((isWire ? Errors.NETWORK_EXCEPTION : Errors.UNKNOWN_SERVER_ERROR).code);
        },
      )
      .then(outcomes => {
        const written = new Set(outcomes.flatMap(({ ticket, errorCode }) => (errorCode === 0 ? [ticket] : [])));
        for (const { write, count } of request.counts) {
          if (written.has(write.ticket)) this.#countsOf(write.letters.groupId).records += count;
        }
        this.#run((queue, now, chance, out) => queue.written(now, chance, { leader, outcomes }, out));
      })
      .catch((error: unknown) => env.logger.error("the end of dead letters could not be used", { leader, error }));
  }

  /** Reads the log that the letters of a write come from; undefined: they carry no data. */
  #reader({ ticket, letters }: DeadLetterWrite): ((offset: number) => LogRead) | undefined {
    const source = this.#deliveries.get(ticket)?.source;
    if (source === undefined || !this.#host.copiesRecords(letters.groupId)) return undefined;
    return offset => {
      if (source.readFault !== 0) return NOTHING;
      const read = { offset, maxBytes: READ_BYTES, minOneMessage: true, isolation: "HIGH_WATERMARK" } as const;
      const { error, chunks, release } = source.read(read);
      if (error === 0) return { chunks, release };
      release?.();
      return NOTHING;
    };
  }

  #done(ticket: Ticket, fault: string | undefined): void {
    const delivery = this.#deliveries.get(ticket);
    if (delivery === undefined) return;
    const { id, letters, done } = delivery;
    this.#deliveries.delete(ticket);
    this.#tickets.delete(id);
    const { logger } = this.#host.env;
    const { groupId, topic, partition, firstOffset, lastOffset } = letters;
    const of = { groupId, topic, partition, firstOffset, lastOffset };
    if (fault !== undefined) {
      this.#countsOf(groupId).failed++;
      logger.error(`dead letters could not be written: ${fault}`, of);
    }
    guardEach(
      done,
      end => end(),
      error => logger.error("the end of dead letters could not be used", { ...of, error }),
    );
  }

  #countsOf(groupId: string): DeadLetterCounts {
    const known = this.#counts.get(groupId);
    if (known !== undefined) return known;
    const [first] = this.#counts.keys();
    if (first !== undefined && this.#counts.size >= MOST_GROUPS) this.#counts.delete(first);
    const counts = { records: 0, requests: 0, failed: 0 };
    this.#counts.set(groupId, counts);
    return counts;
  }
}
