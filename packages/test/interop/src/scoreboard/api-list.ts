/** APIs and features that a broker announces in ApiVersions, compared with those of Apache Kafka. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { apiOf } from "@samsa/protocol";
import { servedApis } from "@samsa/broker";
import { connect } from "../differential/connection.ts";
import { type Check, oneLine } from "./scoreboard.ts";

/** API or feature with its range of versions. */
export interface Span {
  readonly name: string;
  readonly first: number;
  readonly last: number;
}

/** APIs and features that a broker announces. */
export interface Announced {
  readonly apis: readonly Span[];
  readonly features: readonly Span[];
}

/** Kafka's list, recorded from a node in combined mode by `npm run interop -- --record-apis`. */
export interface Recorded extends Announced {
  readonly version: string;
}

/** Path of the file with Kafka's recorded list. */
export const RECORD = join(import.meta.dirname, "../../recorded/kafka-apis.json");

/** First version of ApiVersions that includes features whose versions begin at 0. */
const VERSION = 4;

/** Asks the broker at `server`, given as `host:port`, for its APIs and features. */
export async function announced(server: string): Promise<Announced> {
  const client = await connect(server);
  const software = { clientSoftwareName: "interop", clientSoftwareVersion: "1" };
  const answer = await client.ask("ApiVersions", VERSION, software);
  client.close();
  const features = answer.supportedFeatures.map(one => ({
    name: one.name,
    first: one.minVersion,
    last: one.maxVersion,
  }));
  return {
    apis: answer.apiKeys
      .toSorted((a, b) => a.apiKey - b.apiKey)
      .map(one => ({ name: apiOf(one.apiKey)?.name ?? `${one.apiKey}`, first: one.minVersion, last: one.maxVersion })),
    features: features.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Reads Kafka's recorded list. */
export function recorded(): Recorded {
  return JSON.parse(readFileSync(RECORD, "utf8")) as Recorded;
}

/** Formats an API or feature with its versions. */
export function told({ name, first, last }: Span): string {
  return `${name} ${first}-${last}`;
}

function equalLists(name: string, found: readonly string[], expected: readonly string[]): Check {
  const more = found.filter(one => !expected.includes(one));
  const less = expected.filter(one => !found.includes(one));
  if (more.length + less.length === 0) return { name, outcome: "passed" };
  return { name, outcome: "failed", reason: oneLine(`too many: ${more.join(", ")}; missing: ${less.join(", ")}`) };
}

/** APIs with a handler in our broker without client telemetry, as in the brokers of the judges. */
export function implemented(): Span[] {
  return [...servedApis({ telemetry: false }).values()].map(({ name, announcedFirst, last }) => ({
    name,
    first: announcedFirst,
    last,
  }));
}

/** Checks that the announced APIs are exactly those `there`, and that Kafka has all of them. */
export function checkAnnounced(found: Announced, there: readonly Span[], kafka: Recorded): Check[] {
  const apis = new Map(kafka.apis.map(api => [api.name, api]));
  const within = (api: Span): boolean => {
    const its = apis.get(api.name);
    return its !== undefined && api.first >= its.first && api.last <= its.last;
  };
  const ranges = found.apis.filter(api => apis.has(api.name));
  return [
    equalLists("what is announced is what is implemented", found.apis.map(told), there.map(told)),
    equalLists("what is announced is announced by Kafka too", found.apis.filter(api => !within(api)).map(told), []),
    equalLists(
      "every announced API has all of Kafka's versions",
      ranges.map(told),
      ranges.map(api => told(apis.get(api.name) ?? api)),
    ),
  ];
}

/** APIs and features that Kafka announces and this broker does not. */
export function notAnnounced(found: Announced, kafka: Recorded): Announced {
  const lacks = (mine: readonly Span[], its: readonly Span[]): Span[] =>
    its.filter(one => !mine.some(({ name }) => name === one.name));
  return { apis: lacks(found.apis, kafka.apis), features: lacks(found.features, kafka.features) };
}
