import { type BrokerEpoch, type BrokerId, fromUtf8, utf8, type Uuid } from "@samsa/base";

/** `meta.properties`: the owner of a log directory. */
export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: BrokerId;
  readonly directoryId: Uuid;
}

/** Reads `meta.properties`; missing properties are left out. */
export function readMetaProperties(bytes: Uint8Array): Partial<MetaProperties> & { readonly version: string } {
  const found = new Map<string, string>();
  for (const line of fromUtf8(bytes).split("\n")) {
    if (line.startsWith("#")) continue;
    const at = line.indexOf("=");
    if (at > 0) found.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  const clusterId = found.get("cluster.id");
  const nodeId = found.get("node.id");
  const directoryId = found.get("directory.id");
  return {
    version: found.get("version") ?? "0",
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(nodeId === undefined ? {} : { nodeId: Number(nodeId) }),
    ...(directoryId === undefined ? {} : { directoryId: directoryId as Uuid }),
  };
}

/** Bytes of a `meta.properties` file, version 1. */
export function writeMetaProperties(meta: MetaProperties): Uint8Array {
  const { clusterId, nodeId, directoryId } = meta;
  return utf8(`version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${directoryId}\n`);
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
