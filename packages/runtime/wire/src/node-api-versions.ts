import { type ApiName, Apis, type ApiVersionsResponse, Errors } from "@samsa/protocol";

interface VersionRange {
  readonly first: number;
  readonly last: number;
}

/** APIs of a node with their versions, as its ApiVersions response lists them (`NodeApiVersions`). */
export class NodeApiVersions {
  readonly response: ApiVersionsResponse;
  readonly #ranges: ReadonlyMap<number, VersionRange>;

  constructor(response: ApiVersionsResponse) {
    this.response = response;
    this.#ranges = new Map(
      response.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { first: minVersion, last: maxVersion }]),
    );
  }

  /** Highest stable version that both sides support; undefined if there is none. */
  latestUsable(api: ApiName): number | undefined {
    const { key, first, lastStable } = Apis[api];
    const theirs = this.#ranges.get(key);
    if (theirs === undefined) return undefined;
    const version = Math.min(lastStable, theirs.last);
    return version >= first && version >= theirs.first ? version : undefined;
  }

  /** True if both sides support `version`. */
  isUsable(api: ApiName, version: number): boolean {
    const { key, first, last } = Apis[api];
    const theirs = this.#ranges.get(key);
    return theirs !== undefined && version >= Math.max(first, theirs.first) && version <= Math.min(last, theirs.last);
  }

  /** Versions of the node, for a message. */
  describe(api: ApiName): string {
    const theirs = this.#ranges.get(Apis[api].key);
    return theirs === undefined ? "does not support it" : `supports versions ${theirs.first} to ${theirs.last}`;
  }
}

/**
 * Version at which ApiVersions is to be asked again, after `response` to `version`; undefined if the response is final.
 * A node that does not support `version` responds in version 0 with UNSUPPORTED_VERSION, and lists the versions of
 * ApiVersions from Kafka 2.4 on (KIP-511).
 */
export function fallbackVersion(response: ApiVersionsResponse, version: number): number | undefined {
  if (response.errorCode !== Errors.UNSUPPORTED_VERSION.code || version === 0) return undefined;
  const { key, last } = Apis.ApiVersions;
  const theirs = response.apiKeys.find(({ apiKey }) => apiKey === key)?.maxVersion ?? 0;
  // Asking at a lower version each time ends after a few rounds, whatever the node responds.
  return Math.max(0, Math.min(last, theirs, version - 1));
}
