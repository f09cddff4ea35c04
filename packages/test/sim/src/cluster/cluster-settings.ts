import type { Node } from "@samsa/broker";
import { logOf } from "@samsa/broker";
import type { MetadataImage } from "@samsa/metadata";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { Wishes } from "../ledgers/wishes.ts";
import type { Prng } from "../world/prng.ts";
import { type Actor, TOPIC } from "../stage/stage.ts";

const BROKER = 4;
const SET = 0;
const DELETE = 1;
const UNSET = "";
const LARGEST = "max.message.bytes";

/** Change of one setting; the value `UNSET` removes it. */
interface Change {
  readonly type: number;
  readonly name: string;
  readonly setting: string;
}

const TOPIC_SETTINGS: readonly (readonly [setting: string, values: readonly string[]])[] = [
  [LARGEST, ["200000", "300000", "400000"]],
  ["segment.ms", ["300", "3000", "600000"]],
  ["leader.replication.throttled.replicas", ["*"]],
  ["follower.replication.throttled.replicas", ["*"]],
];
const BROKER_SETTINGS: readonly (readonly [setting: string, values: readonly string[]])[] = [
  ["leader.replication.throttled.rate", ["3000", "1000000"]],
  ["follower.replication.throttled.rate", ["3000", "1000000"]],
  ["log.cleaner.threads", ["1", "2"]],
];

function keyOf({ type, name, setting }: Change): string {
  return `${type} ${name} ${setting}`;
}

/** Changes settings of topics and of all brokers, throttles of replication among them. */
export class ClusterSettings implements Actor {
  readonly client: Client;
  readonly #rng: Prng;
  readonly #topics: readonly string[];
  readonly #wishes = new Wishes();

  /** `topics`: names of topics that are never deleted. */
  constructor(client: Client, rng: Prng, topics: readonly string[]) {
    this.client = client;
    this.#rng = rng;
    this.#topics = topics;
  }

  /** Number of changes that were confirmed. */
  get confirmed(): number {
    return this.#wishes.confirmations;
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    if (!rng.chance(0.15)) return;
    const isTopic = rng.chance(0.6);
    const [setting, values] = rng.oneOf(isTopic ? TOPIC_SETTINGS : BROKER_SETTINGS);
    const name = isTopic ? rng.oneOf(this.#topics) : "";
    const value = rng.chance(0.3) ? UNSET : rng.oneOf(values);
    await this.#alter({ type: isTopic ? TOPIC : BROKER, name, setting }, value);
  }

  async #alter(change: Change, value: string): Promise<boolean> {
    const key = keyOf(change);
    this.#wishes.attempted(key, value, UNSET);
    const isUnset = value === UNSET;
    const configs = [{ name: change.setting, configOperation: isUnset ? DELETE : SET, value: isUnset ? null : value }];
    const resources = [{ resourceType: change.type, resourceName: change.name, configs }];
    const answer = await this.client.ask(CALLS.alterConfigs, { resources, validateOnly: false });
    if (answer?.responses[0]?.errorCode !== 0) return false;
    this.#wishes.confirmed(key, value);
    return true;
  }

  /** Removes all throttles; false without the answers. */
  async unthrottle(): Promise<boolean> {
    for (const setting of ["leader", "follower"].map(side => `${side}.replication.throttled.rate`)) {
      if (!(await this.#alter({ type: BROKER, name: "", setting }, UNSET))) return false;
    }
    return true;
  }

  /** First setting that a node does not have as it was confirmed, or that its logs do not obey. */
  missing({ name, node }: { readonly name: string; readonly node: Node }, isBroker: boolean): string | undefined {
    const { image } = node.shared.loader;
    for (const key of this.#wishes.keys) {
      const found = this.#valueIn(image, key);
      if (this.#wishes.possible(key)?.includes(found) !== false) continue;
      return `${name} has "${found}" for ${key}, not ${this.#wishes.possible(key)?.join(" or ")}`;
    }
    if (!isBroker) return undefined;
    for (const partition of node.broker.topics.all()) {
      const wanted = this.#valueIn(image, keyOf({ type: TOPIC, name: partition.topic, setting: LARGEST }));
      const { maxMessageBytes } = logOf(partition).config;
      if (wanted === UNSET || maxMessageBytes === Number(wanted)) continue;
      return `${partition.topic}-${partition.index} on ${name} takes ${maxMessageBytes} bytes, not ${wanted}`;
    }
    return undefined;
  }

  #valueIn(image: MetadataImage, key: string): string {
    const [type, name, setting] = key.split(" ");
    for (const config of image.configs.values()) {
      if (String(config.type) === type && config.name === name) return config.values.get(setting ?? "") ?? UNSET;
    }
    return UNSET;
  }
}
