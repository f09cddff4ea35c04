import { Errors } from "@samsa/protocol";
import type { ClassicGroup } from "../classic/group.ts";
import { joinError, type Rebalance, syncError } from "../classic/rebalance.ts";
import type { GroupTable } from "../group/group-table.ts";
import type { ConsumerContext, Downgrade } from "./context.ts";
import type { ConsumerGroup } from "./group.ts";
import { downgraded, upgraded } from "./migrate.ts";

/** Converts classic groups to consumer groups, and back, while they have members. */
export class Conversion {
  readonly #context: ConsumerContext;
  readonly #table: GroupTable;
  readonly #rebalance: Rebalance;

  constructor(context: ConsumerContext, table: GroupTable, rebalance: Rebalance) {
    this.#context = context;
    this.#table = table;
    this.#rebalance = rebalance;
  }

  /** Converts a classic group to a consumer group; or returns the reason why it cannot (`validateOnlineUpgrade`). */
  upgrade(classic: ClassicGroup): ConsumerGroup | string {
    const { migration, maxSize } = this.#context.config.consumer;
    if (!migration.upgrade) return "online upgrade is disabled.";
    if (classic.protocolType !== "consumer") return "the group does not use the consumer embedded protocol.";
    if (classic.members.size > maxSize) return "the group size exceeds the consumer group maximum size.";
    const group = this.#context.timeline.make(() => upgraded(classic, this.#context));
    if (typeof group === "string") return group;
    // Waiting members are told to join again; they then join the consumer group.
    for (const member of classic.members.values()) {
      this.#rebalance.answerJoin(classic, member, joinError(Errors.REBALANCE_IN_PROGRESS.code, member.id));
      this.#rebalance.answerSync(member, syncError(Errors.REBALANCE_IN_PROGRESS.code));
    }
    return group;
  }

  /** Converts a consumer group to a classic group; `restore` undoes it if the write fails. */
  downgrade(group: ConsumerGroup, plan: Downgrade, restore: () => void, done: (errorCode: number) => void): void {
    const classic = downgraded(group, plan, this.#context);
    const assignments = new Map([...classic.members.values()].map(({ id, assignment }) => [id, assignment]));
    const records = [...plan.records, ...group.tombstones(plan.replaced), classic.record(assignments)];
    this.#table.set(classic);
    this.#context.append(records, (errorCode, isLate) => {
      if (errorCode !== 0 && !isLate && this.#table.isCurrent(classic)) {
        this.#rebalance.abandon(classic, errorCode);
        this.#table.set(group);
        restore();
      }
      done(errorCode);
    });
    for (const { id, sessionTimeoutMs } of classic.members.values()) {
      this.#rebalance.touch(classic, id, sessionTimeoutMs);
    }
    if (plan.rebalance) this.#rebalance.prepare(classic, "it is a classic group again");
  }
}
