import { ToolError } from "./exits.ts";
import { doubleText } from "./text.ts";

/** Text of a value that a deserializer of Kafka's reads, as Java prints it. */
export type Deserializer = (bytes: Uint8Array) => string;

function sized(name: string, size: number, read: (view: DataView) => string): Deserializer {
  return bytes => {
    if (bytes.length !== size) {
      throw new ToolError(
        `Size of data received by ${name} is not ${size}`,
        "org.apache.kafka.common.errors.SerializationException",
      );
    }
    return read(new DataView(bytes.buffer, bytes.byteOffset, size));
  };
}

const text: Deserializer = bytes => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();

const DESERIALIZERS: Readonly<Record<string, Deserializer>> = {
  StringDeserializer: text,
  IntegerDeserializer: sized("IntegerDeserializer", 4, view => String(view.getInt32(0))),
  LongDeserializer: sized("LongDeserializer", 8, view => String(view.getBigInt64(0))),
  ShortDeserializer: sized("ShortDeserializer", 2, view => String(view.getInt16(0))),
  DoubleDeserializer: sized("Deserializer", 8, view => doubleText(view.getFloat64(0))),
  BooleanDeserializer: sized("BooleanDeserializer", 1, view => String(view.getUint8(0) !== 0)),
};

/** Deserializer of a class of Kafka's; undefined: there is none of this name here. */
export function deserializerOf(className: string): Deserializer | undefined {
  const name = /^org\.apache\.kafka\.common\.serialization\.(?<name>\w+)$/.exec(className)?.groups?.name ?? "";
  return Object.hasOwn(DESERIALIZERS, name) ? DESERIALIZERS[name] : undefined;
}
