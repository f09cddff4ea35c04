/** StreamsGroupTopologyDescriptionUpdate: a member sends the topology description of its streams group. */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, string, struct } from "../codec/schema.ts";

const topologyDescriptionNode = {
  name: string(),
  nodeType: i8(),
  sourceTopics: array(string()),
  sinkTopic: string({ nullable: true, default: null }),
  stores: array(string()),
  successors: array(string()),
};

export const streamsGroupTopologyDescriptionUpdateRequest = message(
  "StreamsGroupTopologyDescriptionUpdateRequest",
  { versions: [0, 0], flexible: 0 },
  {
    groupId: string(),
    memberId: string(),
    topologyEpoch: i32(),
    topologyDescription: struct({
      subtopologies: array({
        subtopologyId: string(),
        nodes: array(topologyDescriptionNode),
      }),
      globalStores: array({
        source: struct(topologyDescriptionNode),
        processor: struct(topologyDescriptionNode),
      }),
    }),
  },
);
export type StreamsGroupTopologyDescriptionUpdateRequest = Infer<typeof streamsGroupTopologyDescriptionUpdateRequest>;

export const streamsGroupTopologyDescriptionUpdateResponse = message(
  "StreamsGroupTopologyDescriptionUpdateResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
  },
);
export type StreamsGroupTopologyDescriptionUpdateResponse = Infer<typeof streamsGroupTopologyDescriptionUpdateResponse>;
