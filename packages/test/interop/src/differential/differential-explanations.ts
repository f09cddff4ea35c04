import type { Difference } from "./differential.ts";

/** Accepted difference between the answers of an API. */
interface Explained {
  readonly api: RegExp;
  /** Pattern of `EdgeRequest.edge`. */
  readonly edge: RegExp;
  /** Pattern of Kafka's answer, if only some answers are explained. */
  readonly theirs?: RegExp;
  /** Removes the parts of an answer that may differ; the rest must be equal. */
  readonly same?: (answer: string) => string;
  readonly why: string;
}

const withoutConfigs = (answer: string): string =>
  answer.startsWith("{")
    ? JSON.stringify(JSON.parse(answer), (name, value: unknown) => (name === "configs" ? undefined : value))
    : answer;
const withoutSizes = (answer: string): string =>
  answer.replaceAll(/"(highWatermark|logEndOffset|lastFetchTimestamp|lastCaughtUpTimestamp|partitionSize)":-?\d+/g, "");
const withoutOffsets = (answer: string): string => answer.replaceAll(/"lowWatermark":\d+/g, "");

const EXPLAINED: readonly Explained[] = [
  {
    api: /^ApiVersions$/,
    edge: /^/,
    why: "docs/interop.md lists the APIs and features that are announced by one and not by the other",
  },
  {
    api: /^(CreateTopics|DescribeConfigs)$/,
    edge: /^(?!.*resource)|configurationKeys (of 0|null)$|^includeDocumentation/,
    same: withoutConfigs,
    why: "the answer lists the settings of the topic: docs/settings.md names those that are not there yet; sentences are ours",
  },
  {
    api: /^(DescribeQuorum|DescribeLogDirs)$/,
    edge: /^/,
    same: withoutSizes,
    why: "the metadata has other records than Kafka's, which repeats itself when idle, and so has each internal log",
  },
  {
    api: /^DeleteRecords$/,
    edge: /^/,
    same: withoutOffsets,
    why: "the topic has one batch more for each that Kafka dropped",
  },
  {
    api: /^Produce$/,
    edge: /^topicData(\[\]\.partitionData)? of 2$/,
    why: "Kafka drops all but the last batch of a partition that is named twice, and says nothing of it; here each is appended",
  },
  {
    api: /^(Produce|AlterConfigs)$/,
    edge: /^(topicData\[\]\.partitionData\[\]\.records null|resources of 2)$/,
    theirs: /^no answer$/,
    why: "Kafka fails and closes the connection",
  },
  {
    api: /^DeleteRecords$/,
    edge: /^topics(\[\]\.partitions)? of 2$/,
    why: "a partition that is named twice is answered twice",
  },
  {
    api: /^Fetch$/,
    edge: /^sessionId -?\d{10}$/,
    theirs: /"errorCode":-1/,
    why: "Kafka looks for the session beyond its array of caches",
  },
  {
    api: /^(Metadata|DescribeTopicPartitions)$/,
    edge: /^topics\[\]\.name (null|"")$/,
    theirs: /"errorCode":-1/,
    why: "Kafka fails over a topic without a name",
  },
  {
    api: /^IncrementalAlterConfigs$/,
    edge: /configOperation/,
    theirs: /"errorCode":-1/,
    why: "Kafka fails over an operation that it does not know",
  },
  {
    api: /^(OffsetDelete|TxnOffsetCommit)$/,
    edge: /^topics\[\]\.partitions of 0$/,
    why: "a topic of which no partition is named has no outcome",
  },
  {
    api: /^DescribeShareGroupOffsets$/,
    edge: /partitions\[\] \d+$/,
    theirs: /^no answer$/,
    why: "Kafka asks its share coordinator again and again for a partition that may yet come to be",
  },
  {
    api: /^AlterPartitionReassignments$/,
    edge: /^topics of 0$/,
    why: "Kafka has an empty sentence where there is no error",
  },
];

/** Reason why a difference is accepted; undefined if it is a fault. */
export function explanationOf({ request, theirs, ours }: Difference): string | undefined {
  const { api, edge } = request;
  const explains = ({ theirs: kafkas, same, ...one }: Explained): boolean =>
    one.api.test(api.name) &&
    one.edge.test(edge) &&
    (kafkas === undefined || kafkas.test(theirs)) &&
    (same === undefined || same(theirs) === same(ours));
  return EXPLAINED.find(explains)?.why;
}
