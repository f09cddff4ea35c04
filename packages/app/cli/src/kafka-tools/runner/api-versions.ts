import { APIS, type Api } from "@samsa/protocol";
import { KafkaError } from "@samsa/client-kernel";
import { Admin, type ClusterClient } from "@samsa/client-runtime";
import { javaText } from "../java/errors.ts";

interface Range {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

const KNOWN: readonly Api[] = Object.values(APIS);

function rangeText({ apiKey, minVersion, maxVersion }: Range): string {
  const known = KNOWN.find(({ key }) => key === apiKey);
  const range = minVersion === maxVersion ? String(minVersion) : `${minVersion} to ${maxVersion}`;
  if (known === undefined) return `UNKNOWN(${apiKey}): ${range}`;
  const usable =
    known.last < minVersion
      ? "unusable: node too new"
      : maxVersion < known.first
        ? "unusable: node too old"
        : `usable: ${Math.min(known.lastStable, maxVersion)}`;
  return `${known.name}(${apiKey}): ${range} [${usable}]`;
}

/** Versions of all APIs, those that the node lacks included. */
function versionsText(ranges: readonly Range[]): string {
  const texts = new Map(ranges.map(range => [range.apiKey, rangeText(range)]));
  for (const { key, name, listeners } of KNOWN) {
    if (listeners.includes("broker") && !texts.has(key)) texts.set(key, `${name}(${key}): UNSUPPORTED`);
  }
  const sorted = [...texts].toSorted(([a], [b]) => a - b).map(([, text]) => text);
  return `(\n\t${sorted.join(",\n\t")}\n)`;
}

/** APIs of all brokers with their versions, as `NodeApiVersions.toString` shows them. */
export async function apiVersionsOf(client: ClusterClient): Promise<string> {
  const { nodes } = await new Admin(client).cluster.describe();
  const { name: clientSoftwareName, version: clientSoftwareVersion } = client.settings.software;
  const lines: string[] = [];
  await client.ready(client.patience());
  for (const { id, host, port, rack, isFenced } of nodes.toSorted((a, b) => a.id - b.id)) {
    const node = `${host}:${port} (id: ${id} rack: ${rack ?? "null"} isFenced: ${isFenced})`;
    try {
      const { apiKeys } = await client.call(id, "ApiVersions", version =>
        version < 3 ? {} : { clientSoftwareName, clientSoftwareVersion },
      );
      lines.push(`${node} -> ${versionsText(apiKeys)}`);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      lines.push(`${node} -> ERROR: ${javaText(error)}`);
    }
  }
  return lines.join("\n");
}
