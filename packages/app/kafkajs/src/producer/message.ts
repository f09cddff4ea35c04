/** Headers by their names; several of one name as a list. */
export interface IHeaders {
  [key: string]: Buffer | string | (Buffer | string)[] | undefined;
}

/** Message to send. */
export interface Message {
  readonly key?: Buffer | string | null;
  /** Null: a tombstone. */
  readonly value: Buffer | string | null;
  readonly partition?: number;
  readonly headers?: IHeaders;
  /** Milliseconds since the epoch, as a text; now by default. */
  readonly timestamp?: string;
}
