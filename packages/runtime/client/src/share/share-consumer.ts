import { ignored, randomUuid, type Timer, type Uuid } from "@samsa/base";
import {
  type AcknowledgeType,
  KafkaError,
  shareMember,
  type TopicPartition,
  withoutPartitions,
} from "@samsa/client-kernel";
import { PartitionOutcomes } from "../admin/outcomes.ts";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type CancelSignal, ended, type Patience } from "../cluster/deadline.ts";
import type { CallBounds } from "../consume/consumer.ts";
import { Membership, type MembershipSteps } from "../consume/membership.ts";
import { TelemetryReporter } from "../telemetry/telemetry-reporter.ts";
import type { ShareRecord } from "./share-record.ts";
import { type ShareHandler, ShareRunner, type ShareRunOptions } from "./share-runner.ts";
import { type Acknowledged, ShareRuntime } from "./share-runtime.ts";
import {
  type ShareConsumerOptions,
  type ShareConsumerSettings,
  shareConsumerSettings,
  shareFetchOptions,
  shareMemberSettings,
} from "./share-settings.ts";
import { ShareStream } from "./share-stream.ts";

/** Parts of a share consumer beside its settings. */
export interface ShareConsumerParts {
  /** Hears of each end of acknowledgements (`AcknowledgementCommitCallback`); the log gets a warning of errors by default. */
  readonly acknowledged?: (acknowledged: Acknowledged) => void;
  /** Hears of records that cannot be read, and were rejected; the log gets a warning by default. */
  readonly unreadable?: (error: KafkaError) => void;
}

/** Times in ms between a subscription and the heartbeats that ask for its assignment: the first, and the last pause. */
const HURRY_MS = 200;
const LAST_HURRY_MS = 1600;
/** Time in ms that a close waits for brokers. */
const CLOSE_MS = 5000;

/**
 * Member of a share group (KIP-932, `KafkaShareConsumer`): many members read the same partitions, each record goes to one
 * of them, and comes again until one accepts it. The client serves this consumer alone; it stays open when the consumer
 * is closed. Errors are `KafkaError`s.
 */
export class ShareConsumer {
  /** Id of this member in its group. */
  readonly memberId: string;
  readonly #client: ClusterClient;
  readonly #settings: ShareConsumerSettings;
  readonly #runtime: ShareRuntime;
  readonly #telemetry: TelemetryReporter;
  #membership: Membership | undefined;
  #starting: Promise<Membership> | undefined;
  #hurryTimer: Timer | undefined;
  #stream: ShareStream | undefined;
  #runner: ShareRunner | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** Throws a `KafkaError` for a setting that cannot be. */
  constructor(client: ClusterClient, options: ShareConsumerOptions, parts: ShareConsumerParts = {}) {
    this.#client = client;
    this.#settings = shareConsumerSettings(options);
    this.memberId = randomUuid(length => client.env.random.bytes(length));
    const { acknowledged = one => this.#warn(one), unreadable = error => client.env.logger.warn(error.message) } =
      parts;
    const fetch = shareFetchOptions(this.#settings, this.memberId, client);
    this.#runtime = new ShareRuntime(client, fetch, { acknowledged, unreadable });
    const { groupId, rackId } = this.#settings;
    const rack = rackId === "" ? {} : { client_rack: rackId };
    const resource = { ...rack, group_id: groupId, group_member_id: this.memberId };
    this.#telemetry = new TelemetryReporter(client, { domain: "consumer.share", resource: () => resource });
  }

  /**
   * Id of the consumer in the cluster's telemetry (KIP-714). Waits until a broker gives it; rejects with ILLEGAL_STATE if
   * there is no telemetry.
   */
  clientInstanceId(bounds?: CallBounds): Promise<Uuid> {
    return this.#telemetry.clientInstanceId(this.#client.patience(bounds));
  }

  /** Joins the group with topics, or changes them. Rejects with UNSUPPORTED_VERSION if the cluster has no share groups. */
  async subscribe(topics: readonly string[], bounds?: CallBounds): Promise<void> {
    this.#checkOpen();
    if (topics.length === 0 || topics.includes("")) {
      throw new KafkaError("INVALID_ARGUMENT", "a subscription names topics");
    }
    this.#starting ??= this.#start(this.#client.patience(bounds));
    const membership = await this.#starting.catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    if (this.#runtime.isClosing) return;
    membership.subscribe({ topics: [...new Set(topics)] });
    this.#hurry(membership, HURRY_MS);
  }

  /**
   * Sends heartbeats soon after a subscription: the coordinator assigns partitions once it has made their state, a moment
   * after the first heartbeat, and the next one would come only after the whole interval (5 s).
   */
  #hurry(membership: Membership, delayMs: number): void {
    this.#hurryTimer?.cancel();
    if (delayMs > LAST_HURRY_MS) return;
    this.#hurryTimer = this.#client.env.timers.after(delayMs, () => {
      if (this.#runtime.isClosing || this.assignment().length > 0) return;
      membership.suspected();
      this.#hurry(membership, 2 * delayMs);
    });
  }

  /** Partitions that the group has assigned to this member; others may have them, too. */
  assignment(): TopicPartition[] {
    return this.#runtime.fetcher.assigned();
  }

  /** Time in ms for which the group locks records; undefined: no broker has told yet. */
  get lockMs(): number | undefined {
    return this.#runtime.fetcher.lockMs;
  }

  /**
   * Records, one by one; the stream ends when the consumer is closed. By default a record is accepted when the next one
   * is asked for, unless it was acknowledged before, and released if the loop is left. One stream or `run` is open at a
   * time.
   */
  records({ signal }: { readonly signal?: CancelSignal } = {}): ShareStream {
    this.#checkFree();
    const { acknowledgement: mode, maxPollRecords: count } = this.#settings;
    const stream = new ShareStream(this.#runtime, { mode, count, signal }, () => {
      if (this.#stream === stream) this.#stream = undefined;
    });
    this.#stream = stream;
    return stream;
  }

  /**
   * Hands all records to a handler, several at a time, until the consumer is closed or `signal` aborts. A record is
   * accepted when its handler is done; if it fails, it is released, or what `failed` says. The locks of records whose
   * handlers take long are renewed.
   */
  async run(handler: ShareHandler, options: ShareRunOptions = {}): Promise<void> {
    this.#checkFree();
    const { maxPollRecords: most } = this.#settings;
    const runner = new ShareRunner(this.#client.env, this.#runtime, handler, { ...options, most });
    this.#runner = runner;
    try {
      this.#running = runner.run();
      await this.#running;
    } finally {
      this.#runner = undefined;
      this.#running = undefined;
    }
  }

  /**
   * Acknowledges a record; it is sent along with the next fetch, or soon. Throws a `KafkaError`: ILLEGAL_STATE if the
   * record is acknowledged already, UNSUPPORTED_VERSION if the brokers know no "renew" (KIP-1222).
   */
  acknowledge(record: ShareRecord, type: AcknowledgeType = "accept"): void {
    this.#checkOpen();
    this.#runtime.acknowledge(record, type);
  }

  /**
   * Waits until brokers have taken all acknowledgements, with implicit acknowledgement that of the last record, too. The
   * outcomes are of partitions with acknowledgements under way, and of those that have failed since the last commit.
   */
  async commit(bounds?: CallBounds): Promise<PartitionOutcomes<true>> {
    this.#checkOpen();
    this.#stream?.accept();
    const results = await this.#runtime.commit(this.#client.patience(bounds));
    return new PartitionOutcomes<true>(new Map([...results].map(([key, error]) => [key, error ?? true] as const)));
  }

  /**
   * Ends streams, waits for handlers at work, sends the acknowledgements so far, and leaves the group. Records without an
   * acknowledgement go to other members. The client stays open.
   */
  close(bounds: CallBounds = {}): Promise<void> {
    return (this.#closing ??= this.#close(bounds));
  }

  async #close({ timeoutMs = CLOSE_MS, signal }: CallBounds): Promise<void> {
    const patience = this.#client.patience({ timeoutMs, signal });
    this.#hurryTimer?.cancel();
    this.#stream?.end();
    await this.#endRun(patience).catch(ignored("handlers that take longer lose their records"));
    await this.#runtime.close(patience);
    await this.#membership?.leave("default", patience);
    await this.#telemetry.close();
  }

  #endRun(patience: Patience): Promise<void> {
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "handlers are still at work");
    this.#runner?.end();
    return ended(this.#client.env, patience, late, this.#running);
  }

  #checkOpen(): void {
    if (this.#runtime.isClosing) throw new KafkaError("CLOSED", "the consumer is closed");
  }

  #checkFree(): void {
    this.#checkOpen();
    if (this.#stream !== undefined || this.#runner !== undefined) {
      throw new KafkaError("ILLEGAL_STATE", "another stream of this consumer is open");
    }
  }

  async #start(patience: Patience): Promise<Membership> {
    const { metadata } = this.#client;
    if (!(await this.#client.hasFeature("share.version", "ShareGroupHeartbeat", patience))) {
      const why = "the cluster has no share groups: they take the feature share.version 1";
      throw new KafkaError("UNSUPPORTED_VERSION", why);
    }
    const member = shareMember(this.memberId, shareMemberSettings(this.#settings, this.#client), metadata);
    const membership = new Membership(this.#client, this.#settings.groupId, member, this.#steps());
    if (this.#runtime.isClosing) membership.close();
    return (this.#membership = membership);
  }

  #steps(): MembershipSteps {
    const { fetcher } = this.#runtime;
    const drop = (partitions: readonly TopicPartition[]): Promise<void> => {
      fetcher.assign(withoutPartitions(fetcher.assigned(), partitions));
      this.#runtime.loop.turn();
      return Promise.resolve();
    };
    return {
      commit: () => Promise.resolve(),
      revoke: drop,
      lost: drop,
      assign: partitions => {
        fetcher.assign(partitions);
        this.#runtime.loop.turn();
        return Promise.resolve();
      },
      identity: ignored("requests of share groups name the member without its epoch"),
      watch: topics => {
        this.#client.metadata.hold(new Set(topics));
        this.#client.wake();
      },
      report: error => this.#client.env.logger.warn(error.message, { group: this.#settings.groupId }),
      fatal: error => this.#runtime.loop.fail(error),
    };
  }

  #warn({ topic, partition, count, error }: Acknowledged): void {
    if (error === undefined) return;
    const facts = { topic, partition, count, why: error.message };
    this.#client.env.logger.warn("acknowledgements have failed, so their records may come again", facts);
  }
}
