import type { DeadLetterTopic, DeadLetterView } from "@samsa/coordinator";
import type { MetadataImage } from "@samsa/metadata";
import type { BrokerConfig } from "../config/configs.ts";
import type { GroupConfigs } from "../config/group-configs.ts";
import type { Settings } from "../config/settings.ts";
import type { Topics } from "../replica/topics.ts";

interface Host {
  readonly config: BrokerConfig;
  readonly settings: Settings;
  readonly topics: Pick<Topics, "image">;
}

/** View of the broker's settings and metadata, as they are when it is asked (`ShareGroupDLQMetadataCacheHelper`). */
export function deadLetterView(host: Host, groupConfigs: (groupId: string) => GroupConfigs): DeadLetterView {
  let known: { readonly image: MetadataImage; readonly config: BrokerConfig } | undefined;
  const topics = new Map<string, DeadLetterTopic | undefined>();
  return {
    get prefix() {
      return host.config["errors.deadletterqueue.topic.name.prefix"];
    },
    get createsTopics() {
      return host.config["errors.deadletterqueue.auto.create.topics.enable"];
    },
    topicNameOf: groupId => groupConfigs(groupId)["errors.deadletterqueue.topic.name"],
    topic: name => {
      const { config, settings } = host;
      const { image } = host.topics;
      // Settings of a topic are parsed once for all letters of a request.
      if (known?.image !== image || known.config !== config) {
        known = { image, config };
        topics.clear();
      }
      if (!topics.has(name)) topics.set(name, topicOf(image, settings, name));
      return topics.get(name);
    },
  };
}

function topicOf(image: MetadataImage, settings: Settings, name: string): DeadLetterTopic | undefined {
  const id = image.topicIds.get(name);
  const topic = id === undefined ? undefined : image.topics.get(id);
  if (topic === undefined) return undefined;
  const config = settings.topic(image, name);
  return {
    id: topic.id,
    partitionCount: topic.partitions.size,
    isEnabled: config["errors.deadletterqueue.group.enable"],
    maxMessageBytes: config["max.message.bytes"],
    leaderOf: partition => topic.partitions.get(partition)?.leader ?? -1,
  };
}
