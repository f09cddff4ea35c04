import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from "@samsa/assign";
import { byTopic } from "@samsa/client-kernel";
import { bufferOf } from "../values/buffer.ts";

/** Topics that a member of a group subscribes to. */
export interface MemberMetadata {
  readonly version: number;
  readonly topics: readonly string[];
  readonly userData?: Buffer;
}

/** Partitions of a member of a group, by their topics. */
export interface MemberAssignment {
  readonly version: number;
  readonly assignment: { readonly [topic: string]: number[] };
  readonly userData?: Buffer;
}

/** Writes values as bytes, and reads them. */
export interface ISerializer<T> {
  encode(value: T): Buffer;
  /** Null for no bytes at all. Throws for bytes that are malformed. */
  decode(buffer: Buffer): Required<T> | null;
}

const metadata: ISerializer<MemberMetadata> = {
  encode: ({ version, topics, userData = null }) =>
    bufferOf(encodeSubscription({ topics, userData, owned: [], generation: -1, rack: null }, version)),
  decode: buffer => {
    if (buffer.length < 2) return null;
    const { topics, userData } = decodeSubscription(buffer);
    return { version: buffer.readInt16BE(0), topics, userData: bufferOf(userData) };
  },
};

const assignment: ISerializer<MemberAssignment> = {
  encode: ({ version, assignment: topics, userData = null }) => {
    const partitions = Object.entries(topics).flatMap(([topic, all]) => all.map(partition => ({ topic, partition })));
    return bufferOf(encodeAssignment({ partitions, userData }, version));
  },
  decode: buffer => {
    if (buffer.length < 2) return null;
    const { partitions, userData } = decodeAssignment(buffer);
    const topics = [...byTopic(partitions)].map(([topic, all]) => [topic, all.map(({ partition }) => partition)]);
    return { version: buffer.readInt16BE(0), assignment: Object.fromEntries(topics), userData: bufferOf(userData) };
  },
};

/** Bytes by which the members of a group tell what they want and what they got. */
export const AssignerProtocol = { MemberMetadata: metadata, MemberAssignment: assignment } as const;
