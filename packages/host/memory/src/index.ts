export { MemoryDisk } from "./memory-disk.ts";
export { MemoryNetwork } from "./memory-network.ts";
