import type { BrokerEpoch, BrokerId } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { ControllerChannel } from "../controller/controller-channel.ts";
import type { Placed } from "../replica/moves.ts";

/** Most assignments in one request (`AssignReplicasToDirsRequest.MAX_ASSIGNMENTS_PER_REQUEST`). */
const MOST_ASSIGNMENTS = 2250;

/** Errors of an assignment whose topic or partition has been deleted. */
const GONE: ReadonlySet<number> = new Set([Errors.UNKNOWN_TOPIC_ID.code, Errors.UNKNOWN_TOPIC_OR_PARTITION.code]);

interface Host {
  readonly nodeId: BrokerId;
  readonly brokerEpoch: () => BrokerEpoch;
  readonly channel: ControllerChannel;
}

/** Reports to the controller which replicas are in which directories (`AssignmentsManager`, KIP-858). */
export class Assignments {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Reports replicas whose directory differs from the metadata; rejects if the controller refuses. */
  async report(placed: readonly Placed[]): Promise<void> {
    const { nodeId, brokerEpoch, channel } = this.#host;
    for (let from = 0; from < placed.length; from += MOST_ASSIGNMENTS) {
      const { errorCode, directories } = await channel.call("AssignReplicasToDirs", {
        brokerId: nodeId,
        brokerEpoch: brokerEpoch(),
        directories: placed.slice(from, from + MOST_ASSIGNMENTS).map(({ topicId, partition, directory }) => ({
          id: directory,
          topics: [{ topicId, partitions: [{ partitionIndex: partition }] }],
        })),
      });
      const answers = directories.flatMap(({ topics }) => topics.flatMap(({ partitions }) => partitions));
      // The topic may have been deleted in the meantime.
      const refused = answers.find(answer => answer.errorCode !== 0 && !GONE.has(answer.errorCode));
      const error = errorCode === 0 ? refused?.errorCode : errorCode;
      if (error !== undefined) throw new Error(`the controller refused an assignment with error ${error}`);
    }
  }
}
