import {
  type Action,
  ALLOW_ALL,
  type Authorizer,
  CLUSTER_NAME,
  type Client,
  type OperationOn,
  type ResourceType,
  operationBits,
} from "@samsa/security";

/** Permissions of the client of a request. */
export class Access {
  readonly #authorizer: Authorizer;
  readonly #client: Client;

  constructor(authorizer: Authorizer, client: Client) {
    this.#authorizer = authorizer;
    this.#client = client;
  }

  /** True if the client may do everything because there is no authorizer. */
  get isFree(): boolean {
    return this.#authorizer === ALLOW_ALL;
  }

  /** True if the client may perform the action, which it asks for. */
  allows(action: Action): boolean {
    return this.#authorizer.allows(this.#client, action);
  }

  /** `allows` for an operation on a type of resource that supports it. */
  permits<T extends ResourceType>(operation: OperationOn<T>, resource: T, name: string): boolean {
    return this.allows({ operation, resource, name });
  }

  /** `permits` for a question of the broker: a denial leaves something out of a response. */
  shows<T extends ResourceType>(operation: OperationOn<T>, resource: T, name: string): boolean {
    return this.allows({ operation, resource, name, isProbe: true });
  }

  /** `shows` for the cluster: a permission on it is asked for that is not the only way. */
  showsCluster(operation: OperationOn<"CLUSTER">): boolean {
    return this.shows(operation, "CLUSTER", CLUSTER_NAME);
  }

  permitsCluster(operation: OperationOn<"CLUSTER">): boolean {
    return this.permits(operation, "CLUSTER", CLUSTER_NAME);
  }

  /** True if the client may perform the operation on some resource of the type. */
  permitsSome<T extends ResourceType>(operation: OperationOn<T>, resource: T): boolean {
    return this.#authorizer.allowsSome(this.#client, operation, resource);
  }

  /** Authorized operations on a resource, as `operationBits` encodes them. */
  operations(resource: ResourceType, name: string): number {
    return operationBits(resource, operation => this.shows(operation, resource, name));
  }
}
