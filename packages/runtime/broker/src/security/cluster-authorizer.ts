import type { Env } from "@samsa/base";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";
import { type Acl, type Authorizer, StandardAuthorizer } from "@samsa/security";
import type { BrokerConfig } from "../config/configs.ts";
import { superUsers } from "../config/security-configs.ts";
import type { MetadataPublisher } from "../metadata/publisher.ts";
import { auditLog } from "./audit-log.ts";

/** The authorizer of a node, with the ACLs of the metadata (`AclPublisher`). */
export class ClusterAuthorizer implements MetadataPublisher {
  readonly name = "acls";
  readonly #authorizer: StandardAuthorizer;

  constructor(env: Pick<Env, "logger" | "clock">, config: BrokerConfig) {
    this.#authorizer = new StandardAuthorizer({
      superUsers: new Set(superUsers(config["super.users"])),
      allowsUnlisted: config["allow.everyone.if.no.acl.found"],
      audit: auditLog(env.logger, env.clock),
    });
  }

  get authorizer(): Authorizer {
    return this.#authorizer;
  }

  /** Notes that the metadata log has been read up to its high watermark. */
  complete(): void {
    this.#authorizer.complete();
  }

  publish({ base, changedAcls }: MetadataChanges, { acls }: MetadataImage): void {
    const removed: Acl[] = [];
    const added: Acl[] = [];
    for (const id of changedAcls) {
      const before = base.acls.get(id);
      const after = acls.get(id);
      if (before !== undefined) removed.push(before);
      if (after !== undefined) added.push(after);
    }
    if (changedAcls.size > 0) this.#authorizer.change(removed, added);
  }
}
