import type { BrokerId, PartitionIndex } from "@samsa/base";
import type { Apis, Draft, Infer } from "@samsa/protocol";
import type { MetadataEffect } from "../cluster/leader-hint.ts";
import type { KafkaError } from "../error/kafka-error.ts";
import type { AcknowledgeResults } from "./share-commit.ts";

/** ShareFetch request, as encoding takes it. */
export type ShareFetchDraft = Draft<(typeof Apis)["ShareFetch"]["request"]>;
/** Decoded ShareFetch response. */
export type ShareFetchAnswer = Infer<(typeof Apis)["ShareFetch"]["response"]>;
/** ShareAcknowledge request, as encoding takes it. */
export type ShareAcknowledgeDraft = Draft<(typeof Apis)["ShareAcknowledge"]["request"]>;
/** Decoded ShareAcknowledge response. */
export type ShareAcknowledgeAnswer = Infer<(typeof Apis)["ShareAcknowledge"]["response"]>;

/**
 * Action of a `ShareFetcher`. The answer to a request comes back as an input with the ticket, or its failure does,
 * exactly once. All requests to a broker go through one connection: the broker ends the session along with it.
 */
export type ShareEffect =
  /** Sends a ShareFetch request. */
  | {
      readonly type: "shareFetch";
      readonly ticket: number;
      readonly brokerId: BrokerId;
      readonly request: ShareFetchDraft;
    }
  /** Sends a ShareAcknowledge request, built for the version that both sides support. */
  | {
      readonly type: "shareAcknowledge";
      readonly ticket: number;
      readonly brokerId: BrokerId;
      readonly request: (version: number) => ShareAcknowledgeDraft;
    }
  | MetadataEffect
  /** Tells the end of acknowledgements of one partition; undefined: they were taken. */
  | {
      readonly type: "acknowledged";
      readonly topic: string;
      readonly partition: PartitionIndex;
      readonly count: number;
      readonly error: KafkaError | undefined;
    }
  /** Tells of records that cannot be read, and were rejected. */
  | { readonly type: "unreadable"; readonly error: KafkaError }
  /** Tells the end of a commit. */
  | { readonly type: "committed"; readonly token: number; readonly results: AcknowledgeResults };
