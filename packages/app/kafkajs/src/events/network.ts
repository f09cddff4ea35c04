/** Request that was answered. Times are in ms since the epoch, durations in ms. */
export interface RequestPayload {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  readonly broker: string;
  readonly clientId: string;
  readonly correlationId: number;
  readonly createdAt: number;
  readonly sentAt: number;
  /** From `sentAt` to the answer. */
  readonly duration: number;
  /** From `createdAt` to `sentAt`. */
  readonly pendingDuration: number;
  /** Bytes of the answer. */
  readonly size: number;
}

/** Request that was not answered in time. */
export type RequestTimeoutPayload = Omit<RequestPayload, "duration" | "size">;

/** Requests that wait for room in flight to a broker. */
export interface RequestQueueSizePayload {
  readonly broker: string;
  readonly clientId: string;
  readonly queueSize: number;
}
