import { endpointText, type RequestObserver, type SentRequest } from "@samsa/wire";
import type { Emitter } from "./emitter.ts";

/** Request that was answered, or sent if it has no answer. Times are in ms since the epoch, durations in ms. */
export interface RequestPayload {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  readonly broker: string;
  readonly clientId: string;
  readonly correlationId: number;
  readonly createdAt: number;
  readonly sentAt: number;
  /** Time from `sentAt` to the answer. */
  readonly duration: number;
  /** Time from `createdAt` to `sentAt`. */
  readonly pendingDuration: number;
  /** Bytes of the answer; 0: there is none. */
  readonly size: number;
}

/** Request that was sent, and not answered in time. */
export type RequestTimeoutPayload = Omit<RequestPayload, "duration" | "size">;

/** Requests that wait for room in flight to a broker. */
export interface RequestQueueSizePayload {
  readonly broker: string;
  readonly clientId: string;
  readonly queueSize: number;
}

/** Names of the events of requests. */
interface RequestEvents {
  readonly REQUEST: string;
  readonly REQUEST_TIMEOUT: string;
  readonly REQUEST_QUEUE_SIZE: string;
}

function factsOf({
  api,
  version,
  endpoint,
  clientId,
  correlationId,
  sentAt,
  waitedMs,
}: SentRequest): RequestTimeoutPayload {
  const pendingDuration = Math.round(waitedMs);
  return {
    ...{ apiKey: api.key, apiName: api.name, apiVersion: version },
    ...{ broker: endpointText(endpoint), clientId, correlationId },
    ...{ createdAt: sentAt - pendingDuration, sentAt, pendingDuration },
  };
}

/** Tells of the requests of a client's connections by events. */
export function requestEvents(names: RequestEvents, emitter: Emitter): RequestObserver {
  const { REQUEST, REQUEST_TIMEOUT, REQUEST_QUEUE_SIZE } = names;
  return {
    get isListening() {
      return emitter.hears(REQUEST, REQUEST_TIMEOUT, REQUEST_QUEUE_SIZE);
    },
    answered: (request, durationMs, size) => {
      emitter.emit(REQUEST, { ...factsOf(request), duration: Math.round(durationMs), size });
    },
    timedOut: request => emitter.emit(REQUEST_TIMEOUT, factsOf(request)),
    waiting: (endpoint, clientId, queueSize) => {
      emitter.emit(REQUEST_QUEUE_SIZE, { broker: endpointText(endpoint), clientId, queueSize });
    },
  };
}
