import { type BrokerEpoch, type BrokerId, fromUtf8, utf8, type Uuid } from "@samsa/base";

/** `meta.properties`: the owner of a log directory. */
export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: BrokerId;
  readonly directoryId: Uuid;
}

/** Versions of `meta.properties`: in version 0, with which clusters with ZooKeeper began, the node is `broker.id`. */
export const META_VERSIONS: readonly string[] = ["0", "1"];

/** Reads `meta.properties`; missing properties are left out. A file that names no version has version 0. */
export function readMetaProperties(bytes: Uint8Array): Partial<MetaProperties> & { readonly version: string } {
  const found = new Map<string, string>();
  for (const line of fromUtf8(bytes).split("\n")) {
    if (line.startsWith("#")) continue;
    const at = line.indexOf("=");
    if (at > 0) found.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  const clusterId = found.get("cluster.id");
  const version = found.get("version") ?? "0";
  const nodeId = found.get(version === "0" ? "broker.id" : "node.id");
  const directoryId = found.get("directory.id");
  return {
    version,
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(nodeId === undefined ? {} : { nodeId: Number(nodeId) }),
    ...(directoryId === undefined ? {} : { directoryId: directoryId as Uuid }),
  };
}

/** Bytes of a `meta.properties` file, of version 1 by default. */
export function writeMetaProperties(meta: MetaProperties, version = "1"): Uint8Array {
  const { clusterId, nodeId, directoryId } = meta;
  const node = version === "0" ? "broker.id" : "node.id";
  return utf8(`version=${version}\ncluster.id=${clusterId}\n${node}=${nodeId}\ndirectory.id=${directoryId}\n`);
}

/** Broker epoch in a marker of a clean shutdown; older releases wrote an empty file or a plain number. */
export function brokerEpochIn(marker: Uint8Array): BrokerEpoch {
  try {
    const parsed = JSON.parse(fromUtf8(marker)) as { brokerEpoch?: unknown } | number | null;
    const epoch = typeof parsed === "object" ? parsed?.brokerEpoch : undefined;
    return typeof epoch === "number" ? epoch : -1;
  } catch {
    return -1;
  }
}
