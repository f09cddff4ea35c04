import { type BrokerId, type Logger, named } from "@samsa/base";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";
import type { MetadataPublisher } from "./publisher.ts";

/** Things that a line names; it counts the others. */
const NAMED = 3;

/** Things that a line is about. */
class Named {
  count = 0;
  readonly #names: string[] = [];

  add(name: () => string): void {
    if (this.count++ < NAMED) this.#names.push(name());
  }

  toString(): string {
    return this.#names.join(",");
  }
}

/** Node that logs, and whether it is the active controller. */
interface ChangeLogOptions {
  readonly logger: Logger;
  readonly nodeId: BrokerId;
  readonly isActive: () => boolean;
}

/**
 * Logs what changes in the cluster: the active controller its topics and brokers, and each broker the partitions that it
 * leads and follows from now on. A change of many is one line.
 */
export class ChangeLog implements MetadataPublisher {
  readonly name = "change log";
  readonly #options: ChangeLogOptions;
  readonly #controller: Logger;
  readonly #states: Logger;
  /** Epoch of the quorum; unknown until there is a leader. */
  #epoch = Infinity;

  constructor(options: ChangeLogOptions) {
    this.#options = options;
    this.#controller = named(options.logger, "org.apache.kafka.controller");
    this.#states = named(options.logger, "state.change.logger");
  }

  publish(changes: MetadataChanges, image: MetadataImage): void {
    // Changes of earlier epochs were made before this node started, or are in the log of another one.
    if (image.provenance.epoch < this.#epoch) return;
    if (this.#options.isActive()) {
      this.#topics(changes, image);
      this.#brokers(changes, image);
    }
    this.#leaders(changes, image);
  }

  /** Logs that the quorum has another leader, or none: −1. */
  leaderChanged(leaderId: BrokerId | undefined, epoch: number): void {
    this.#epoch = epoch;
    const raft = named(this.#options.logger, "org.apache.kafka.raft");
    if (leaderId === undefined || leaderId < 0) raft.info("the quorum has no leader", { epoch });
    else raft.info("the quorum has a leader, the active controller", { leader: leaderId, epoch });
  }

  #topics({ base, changedTopics, deletedTopics }: MetadataChanges, image: MetadataImage): void {
    const [created, deleted] = [new Named(), new Named()];
    for (const [id, partitions] of changedTopics) {
      const topic = image.topics.get(id);
      const before = base.topics.get(id);
      if (topic === undefined) continue;
      if (before === undefined) created.add(() => topic.name);
      else if (topic.partitions.size > before.partitions.size) {
        const added = [...partitions].filter(index => !before.partitions.has(index)).length;
        this.#controller.info("partitions were added to a topic", { topic: topic.name, added });
      }
    }
    for (const { name } of deletedTopics.values()) deleted.add(() => name);
    this.#tell("topics were created", "topics", created);
    this.#tell("topics were deleted", "topics", deleted);
  }

  #tell(message: string, field: string, named: Named): void {
    if (named.count > 0) this.#controller.info(message, { [field]: String(named), count: named.count });
  }

  #brokers({ base, changedBrokers }: MetadataChanges, image: MetadataImage): void {
    const [came, fenced, left] = [new Named(), new Named(), new Named()];
    for (const id of changedBrokers) {
      const [before, after] = [base.brokers.get(id), image.brokers.get(id)];
      if (after === undefined) left.add(() => String(id));
      // A broker that registers anew is fenced for a moment.
      else if (after.fenced && before?.fenced === false && before.incarnationId === after.incarnationId)
        fenced.add(() => String(id));
      else if (!after.fenced && before?.fenced !== false) came.add(() => String(id));
    }
    this.#tell("brokers are in the cluster", "brokers", came);
    this.#tell("brokers are fenced: they have stopped, or do not answer", "brokers", fenced);
    this.#tell("brokers were unregistered", "brokers", left);
  }

  #leaders({ base, changedTopics }: MetadataChanges, image: MetadataImage): void {
    const { nodeId } = this.#options;
    const [leads, follows] = [new Named(), new Named()];
    const isFenced = image.brokers.get(nodeId)?.fenced !== false;
    let leaderless = 0;
    for (const [id, partitions] of changedTopics) {
      const topic = image.topics.get(id);
      for (const index of partitions) {
        const after = topic?.partitions.get(index);
        const before = base.topics.get(id)?.partitions.get(index);
        if (topic === undefined || after?.replicas.includes(nodeId) !== true) continue;
        if (after.leaderEpoch === before?.leaderEpoch) continue;
        if (after.leader === nodeId) leads.add(() => `${topic.name}-${index}`);
        else if (after.leader === -1) leaderless++;
        else follows.add(() => `${topic.name}-${index}`);
      }
    }
    const { offset } = image.provenance;
    const tell = (message: string, named: Named): void => {
      const { count } = named;
      if (count > 0) this.#states.info(message, { partitions: String(named), count, offset });
    };
    tell("this broker leads more partitions", leads);
    tell("this broker follows other leaders", follows);
    if (leaderless > 0 && !isFenced)
      this.#states.warn("partitions of this broker have no leader", { count: leaderless, offset });
  }
}
