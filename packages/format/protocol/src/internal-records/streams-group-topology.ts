/** StreamsGroupTopology: topology of a streams group. */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, string } from "../codec/schema.ts";

export const streamsGroupTopologyKey = message(
  "StreamsGroupTopologyKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type StreamsGroupTopologyKey = Infer<typeof streamsGroupTopologyKey>;

const topicInfo = {
  name: string(),
  partitions: i32(),
  replicationFactor: i16(),
  topicConfigs: array({
    key: string(),
    value: string(),
  }),
};

export const streamsGroupTopologyValue = message(
  "StreamsGroupTopologyValue",
  { versions: [0, 0], flexible: 0 },
  {
    epoch: i32(),
    subtopologies: array({
      subtopologyId: string(),
      sourceTopics: array(string()),
      sourceTopicRegex: array(string()),
      stateChangelogTopics: array(topicInfo),
      repartitionSinkTopics: array(string()),
      repartitionSourceTopics: array(topicInfo),
      copartitionGroups: array({
        sourceTopics: array(i16()),
        sourceTopicRegex: array(i16()),
        repartitionSourceTopics: array(i16()),
      }),
    }),
  },
);
export type StreamsGroupTopologyValue = Infer<typeof streamsGroupTopologyValue>;
