/** A client library under measurement. Its topics exist. */
export interface ClientContender {
  /** Sends `records` values of `size` bytes, in calls of `batch`, with `inFlight` calls at a time and acks of all. */
  produce(load: ProduceLoad): Promise<void>;
  /** Reads `records` raw values of a topic from its beginning. Returns their bytes. */
  consume(topic: string, records: number): Promise<number>;
  /** Sends one record after the other, each when the one before is acknowledged. Returns the waits, in ms. */
  lone(topic: string, records: number): Promise<number[]>;
  /** Like `produce`, without a promise for each record; undefined if the library has no such call. */
  readonly offer?: (topic: string, records: number, size: number) => Promise<void>;
  close(): Promise<void>;
}

/** A load of a producer. */
export interface ProduceLoad {
  readonly topic: string;
  readonly records: number;
  readonly size: number;
  readonly batch: number;
  readonly inFlight: number;
}

/** A value of `size` bytes. */
export const valueOf = (size: number): Buffer => Buffer.alloc(size, "x");

/** Calls `send` for each batch of the load, with `inFlight` of them at a time. */
export async function pipelined(
  { records, batch, inFlight }: ProduceLoad,
  send: () => Promise<unknown>,
): Promise<void> {
  let left = Math.ceil(records / batch);
  const lane = async (): Promise<void> => {
    while (left-- > 0) await send();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

/** Calls `send` one after the other and returns the time of each, in ms. */
export async function waits(records: number, send: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < records; i++) {
    const before = performance.now();
    await send();
    times.push(performance.now() - before);
  }
  return times;
}
