import { type Acl, type AclOperation, OPERATION_CODES, type ResourceType, RESOURCE_TYPE_CODES } from "./acl.ts";
import { AclIndex, type Subject, type Verdict } from "./acl-index.ts";
import { aclHost } from "./hosts.ts";

/** Use of a resource that a client asks for. */
export interface Action {
  readonly operation: AclOperation;
  readonly resource: ResourceType;
  /** Name of the resource; CLUSTER_NAME of the cluster. */
  readonly name: string;
  /** Only asks, for a filter or a list of authorized operations: a denial is no attempt to use the resource. */
  readonly isProbe?: true;
}

/** Client that asks for permission. */
export interface Client {
  /** Name of the user, without the type "User". */
  readonly user: string;
  /** Address, as the system writes it. */
  readonly host: string;
  /** Name of the API of the request. */
  readonly api: string;
}

/** Decides what clients may do (`org.apache.kafka.server.authorizer.Authorizer`). */
export interface Authorizer {
  /** True if the client may do that. */
  allows(client: Client, action: Action): boolean;
  /** True if the client may perform the operation on some resource of the type (`authorizeByResourceType`). */
  allowsSome(client: Client, operation: AclOperation, resource: ResourceType): boolean;
}

/** Authorizer of a node without `authorizer.class.name`. */
export const ALLOW_ALL: Authorizer = { allows: () => true, allowsSome: () => true };

/** The ACLs of the cluster have not been read yet, so only super users may do anything (`AuthorizerNotReadyException`). */
export class AuthorizerNotReadyError extends Error {
  constructor() {
    super("The ACLs of the cluster have not been read yet.");
    this.name = "AuthorizerNotReadyError";
  }
}

/** Outcome for an action and its reason: ACLs, or that the client is a super user. */
export interface Judgement {
  readonly isAllowed: boolean;
  readonly reason: Verdict | { readonly rule: "super" };
}

/** Takes a decision. */
export type Audit = (client: Client, action: Action, judgement: Judgement) => void;

/** Settings of a `StandardAuthorizer`. */
export interface AuthorizerOptions {
  /** Principals that may do everything: "User:admin". */
  readonly superUsers: ReadonlySet<string>;
  /** Permits the use of resources without any ACL (`allow.everyone.if.no.acl.found`). */
  readonly allowsUnlisted: boolean;
  /** Takes each decision that is no probe. */
  readonly audit?: Audit;
}

/** Most verdicts that are kept; beyond it all are forgotten. */
const MOST_VERDICTS = 20_000;
/** Longest name whose verdict is kept. Topics cannot have longer ones. */
const LONGEST_NAME = 249;

/** Resource name that no ACL needs to have, for the question whether a client may use anything at all. */
const ANY_NAME = "hardcode";

const SUPER_USER: Judgement = { isAllowed: true, reason: { rule: "super" } };

/** Verdicts about one client. */
class Verdicts {
  readonly subject: Subject;
  readonly isSuper: boolean;
  /** By `questionKey`, then by name. */
  readonly byName = new Map<number, Map<string, Judgement>>();
  /** By `questionKey`. */
  readonly some = new Map<number, boolean>();

  constructor(subject: Subject, isSuper: boolean) {
    this.subject = subject;
    this.isSuper = isSuper;
  }
}

const questionKey = (operation: AclOperation, resource: ResourceType): number =>
  RESOURCE_TYPE_CODES[resource] * 16 + OPERATION_CODES[operation];

/**
 * Authorizer by the ACLs of the cluster (`StandardAuthorizer`). Until `complete` is called, only super users pass, and
 * all others meet an `AuthorizerNotReadyError`.
 */
export class StandardAuthorizer implements Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #index = new AclIndex();
  readonly #clients = new Map<string, Map<string, Verdicts>>();
  #kept = 0;
  #isComplete = false;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Notes that the ACLs are those of the metadata log up to its high watermark. */
  complete(): void {
    this.#isComplete = true;
  }

  /** Changes the ACLs. */
  change(removed: readonly Acl[], added: readonly Acl[]): void {
    for (const acl of removed) this.#index.remove(acl);
    for (const acl of added) this.#index.add(acl);
    this.#forget();
  }

  allows(client: Client, action: Action): boolean {
    const known = this.#verdicts(client);
    const judgement = known.isSuper ? SUPER_USER : this.#judgement(known, action);
    if (action.isProbe !== true) this.#options.audit?.(client, action, judgement);
    return judgement.isAllowed;
  }

  allowsSome(client: Client, operation: AclOperation, resource: ResourceType): boolean {
    const { isSuper, subject, some } = this.#verdicts(client);
    if (isSuper) return true;
    if (!this.#isComplete) throw new AuthorizerNotReadyError();
    const key = questionKey(operation, resource);
    let isAllowed = some.get(key);
    if (isAllowed === undefined) {
      isAllowed =
        this.#judge(subject, { operation, resource, name: ANY_NAME }).isAllowed ||
        this.#index.permitsSome(subject, operation, resource);
      some.set(key, isAllowed);
      this.#kept++;
    }
    return isAllowed;
  }

  #judgement({ subject, byName }: Verdicts, action: Action): Judgement {
    if (!this.#isComplete) throw new AuthorizerNotReadyError();
    const { operation, resource, name } = action;
    const key = questionKey(operation, resource);
    let names = byName.get(key);
    let judgement = names?.get(name);
    if (judgement !== undefined) return judgement;
    judgement = this.#judge(subject, action);
    if (name.length > LONGEST_NAME) return judgement;
    if (names === undefined) byName.set(key, (names = new Map()));
    names.set(name, judgement);
    this.#kept++;
    return judgement;
  }

  #judge(subject: Subject, { operation, resource, name }: Action): Judgement {
    const reason = this.#index.judge(subject, operation, resource, name);
    const isAllowed = reason.rule === "allow" || (reason.rule === "none" && this.#options.allowsUnlisted);
    return { isAllowed, reason };
  }

  /** Verdicts about a client. Forgets those about all clients first, if they have become too many. */
  #verdicts({ user, host }: Client): Verdicts {
    const known = this.#clients.get(user)?.get(host);
    if (known !== undefined && this.#kept < MOST_VERDICTS) return known;
    if (this.#kept >= MOST_VERDICTS) this.#forget();
    const principal = `User:${user}`;
    const made = new Verdicts({ principal, host: aclHost(host) }, this.#options.superUsers.has(principal));
    const hosts = this.#clients.get(user);
    if (hosts === undefined) this.#clients.set(user, new Map([[host, made]]));
    else hosts.set(host, made);
    this.#kept++;
    return made;
  }

  #forget(): void {
    this.#clients.clear();
    this.#kept = 0;
  }
}
