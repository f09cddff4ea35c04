/**
 * Measures one client library: `main.ts <library> <load> <bootstrap servers> <topic> <records>`. Prints a line of JSON with
 * seconds and processor seconds of this process, and the waits where there are some.
 */
import type { ClientContender } from "./contender.ts";
import { kafkajsClient } from "./kafkajs.ts";
import { platformaticClient } from "./platformatic.ts";
import { samsaClient } from "./samsa.ts";
import { quantile } from "../system/quantile.ts";

const LIBRARIES: Readonly<Record<string, (bootstrapServers: string) => ClientContender | Promise<ClientContender>>> = {
  samsa: samsaClient,
  kafkajs: kafkajsClient,
  platformatic: platformaticClient,
};

const SMALL = { size: 100, batch: 1000, inFlight: 5 };
const LARGE = { size: 1_000_000, batch: 1, inFlight: 5 };

type Load = (client: ClientContender, topic: string, records: number) => Promise<number[] | number | void>;

const LOADS: Readonly<Record<string, Load>> = {
  produce: (client, topic, records) => client.produce({ topic, records, ...SMALL }),
  large: (client, topic, records) => client.produce({ topic, records, ...LARGE }),
  offer: (client, topic, records) => client.offer?.(topic, records, SMALL.size) ?? Promise.resolve(),
  consume: (client, topic, records) => client.consume(topic, records),
  lone: (client, topic, records) => client.lone(topic, records),
};

const [library = "", name = "", servers = "", topic = "", count = "0"] = process.argv.slice(2);
const create = LIBRARIES[library];
const load = LOADS[name];
if (create === undefined || load === undefined) throw new Error(`no load ${library} ${name}`);
const records = Number(count);
const client = await create(servers);
// Compiled code and open connections first; what is consumed is read twice.
await load(client, topic, name === "consume" ? records : Math.ceil(records / 10));
const cpu = process.cpuUsage();
const began = performance.now();
const result = await load(client, topic, records);
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
// A load without latencies has no p99.
const p99 = Array.isArray(result) ? quantile(result, 0.99) : undefined;
console.log(JSON.stringify({ seconds, cpu: (user + system) / 1e6, p99 }));
await client.close();
process.exit();
