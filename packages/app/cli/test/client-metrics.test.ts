import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Uuid } from "@samsa/base";
import { beforeEach, describe, expect, test } from "vitest";
import { ClientMetrics } from "../src/metrics/client-metrics.ts";
import { processExposition } from "../src/metrics/prometheus.ts";

const exposition = processExposition();

const BAD_UTF8 = Uint8Array.of(0x61, 0xff, 0x62);

type Write = (writer: BinaryWriter) => unknown;

/** Writes a nested message. */
const nested =
  (field: number, ...parts: readonly Write[]): Write =>
  writer => {
    writer.tag(field, WireType.LengthDelimited).fork();
    for (const part of parts) part(writer);
    writer.join();
  };
const text =
  (field: number, value: string | Uint8Array): Write =>
  writer =>
    typeof value === "string"
      ? writer.tag(field, WireType.LengthDelimited).string(value)
      : writer.tag(field, WireType.LengthDelimited).bytes(value);
const varint =
  (field: number, value: number): Write =>
  writer =>
    writer.tag(field, WireType.Varint).uint32(value);
const double =
  (field: number, value: number): Write =>
  writer =>
    writer.tag(field, WireType.Bit64).double(value);
const fixed =
  (field: number, value: bigint): Write =>
  writer =>
    writer.tag(field, WireType.Bit64).sfixed64(value);

const attribute = (field: number, key: string | Uint8Array, value: Write): Write =>
  nested(field, text(1, key), nested(2, value));
const labelled = (labels: Record<string, string>): Write[] =>
  Object.entries(labels).map(([key, value]) => attribute(7, key, text(1, value)));
const point = (value: number, labels: Record<string, string> = {}): Write =>
  nested(1, ...labelled(labels), fixed(3, 1n), double(4, value));

const gauge = (name: string | Uint8Array, ...points: Write[]): Write =>
  nested(2, text(1, name), text(2, "what it is"), nested(5, ...points));
const sum = (name: string, temporality: number, monotonic: boolean, ...points: Write[]): Write =>
  nested(2, text(1, name), nested(7, ...points, varint(2, temporality), varint(3, monotonic ? 1 : 0)));
const DELTA = 1;
const CUMULATIVE = 2;

function metricsData(...metrics: readonly Write[]): Uint8Array {
  const writer = new BinaryWriter();
  const resource = nested(1, attribute(1, "group_id", text(1, "g")));
  nested(1, resource, nested(2, nested(1, text(1, "scope")), ...metrics))(writer);
  return writer.finish();
}

const ID = "b4IRTl3CRLGAvMxIj1kL8A" as Uuid;
const OWNER = `client_instance_id="${ID}",client_id="app"`;

let now: number;
let clients: ClientMetrics;

beforeEach(() => {
  now = 5;
  clients = new ClientMetrics(() => now);
});

function push(
  metrics: Uint8Array,
  more: { id?: string; clientId?: string; terminating?: boolean; interval?: number } = {},
) {
  const { id = ID, clientId = "app", terminating = false, interval = 1000 } = more;
  clients.push({ clientInstanceId: id as Uuid, clientId, terminating, pushIntervalMs: interval, metrics });
}

/** Lines of client series in Prometheus' text format. */
async function lines(): Promise<string[]> {
  const page = await exposition.render(clients.families());
  return page.split("\n").filter(line => line.includes("client_instance_id"));
}

describe("what clients push is what Prometheus reads", () => {
  test("gauges and sums, with the names and labels of their points", async () => {
    push(
      metricsData(
        gauge("org.apache.kafka.consumer.fetch-lag", point(2.5, { topic: "t", "node.id": "1" }), point(-1)),
        sum("org.apache.kafka.producer.records", CUMULATIVE, true, point(7)),
        sum("balance", CUMULATIVE, false, point(-3)),
      ),
    );
    expect(await lines()).toEqual([
      `org_apache_kafka_consumer_fetch_lag{topic="t",node_id="1",${OWNER}} 2.5`,
      `org_apache_kafka_consumer_fetch_lag{${OWNER}} -1`,
      `org_apache_kafka_producer_records{${OWNER}} 7`,
      `balance{${OWNER}} -3`,
    ]);
    const page = await exposition.render(clients.families());
    expect(page).toContain("# TYPE org_apache_kafka_producer_records counter");
    expect(page).toContain("# TYPE org_apache_kafka_consumer_fetch_lag gauge");
    expect(page).toContain("# TYPE balance gauge");
  });

  test("deltas are added up, the rest is replaced", async () => {
    for (const value of [3, 4, 0]) {
      push(
        metricsData(
          sum("delta", DELTA, true, point(value)),
          sum("total", CUMULATIVE, true, point(value)),
          gauge("now", point(value)),
        ),
      );
    }
    expect(await lines()).toEqual([`delta{${OWNER}} 7`, `total{${OWNER}} 0`, `now{${OWNER}} 0`]);
  });

  test("integers, and attributes that are no text", async () => {
    const attributes = [
      attribute(7, "yes", varint(2, 1)),
      attribute(7, "count", writer => writer.tag(3, WireType.Varint).int64(-9)),
      attribute(7, "ratio", double(4, 0.5)),
      attribute(7, "list", nested(5, nested(1, text(1, "x")))),
    ];
    push(metricsData(gauge("m", nested(1, ...attributes, fixed(6, -12n)))));
    expect(await lines()).toEqual([`m{yes="true",count="-9",ratio="0.5",${OWNER}} -12`]);
  });

  test("a histogram is its count and its sum", async () => {
    const data = nested(1, attribute(9, "a", text(1, "b")), fixed(4, 3n), double(5, 1.5), fixed(6, 1n));
    const histogram = nested(2, text(1, "h"), nested(9, data, varint(2, DELTA)));
    push(metricsData(histogram));
    push(metricsData(histogram));
    expect(await lines()).toEqual([`h_count{a="b",${OWNER}} 6`, `h_sum{a="b",${OWNER}} 3`]);
  });

  test("points without a value, and kinds that have none, are left out", async () => {
    const summary = nested(2, text(1, "s"), nested(11, nested(1, fixed(4, 3n))));
    push(metricsData(gauge("m", nested(1, fixed(3, 1n)), nested(1, double(4, 5), varint(8, 1))), summary));
    expect(await lines()).toEqual([]);
  });
});

describe("whatever a client says, the page can be read", () => {
  test("names that cannot be, bad UTF-8, quotes and line ends", async () => {
    push(
      metricsData(
        gauge(BAD_UTF8, point(1)),
        gauge("9 lives", point(2, { "": "empty", ["__proto__"]: "p", constructor: "c" })),
        gauge(
          "say",
          point(3, { what: 'a "quoted"\nline\\' }),
          nested(1, attribute(7, "b", text(1, BAD_UTF8)), double(4, 4)),
        ),
      ),
      { clientId: "half \ud800" },
    );
    const owner = `client_instance_id="${ID}",client_id="half \ufffd"`;
    expect(await lines()).toEqual([
      `a_b{${owner}} 1`,
      `_9_lives{_="empty",_proto__="p",constructor="c",${owner}} 2`,
      `say{what="a \\"quoted\\"\\nline\\\\",${owner}} 3`,
      `say{b="a\ufffdb",${owner}} 4`,
    ]);
  });

  test("nobody can take another's name, or the broker's", async () => {
    const TAKEN = 123_454_321;
    push(metricsData(gauge("process.cpu.user.seconds.total", point(TAKEN)), gauge("constructor", point(TAKEN))));
    push(metricsData(gauge("samsa_client_metrics_left_out_total", point(TAKEN))));
    push(metricsData(gauge("m", point(1, { client_id: "other", client_instance_id: "other" }))));
    const page = await exposition.render(clients.families());
    expect(page).not.toContain(String(TAKEN));
    expect(page).toContain(`m{client_id="app",client_instance_id="${ID}"} 1`);
  });

  test("a counter that would go below zero, beyond all numbers or to none is left as it is", async () => {
    for (const value of [1e308, 1e308, -5, Number.NaN, Infinity])
      push(metricsData(sum("c", DELTA, true, point(value))));
    push(metricsData(gauge("was", point(-7))));
    push(metricsData(sum("was", DELTA, true, point(1))));
    expect(await lines()).toEqual([`c{${OWNER}} 1e+308`, `was{${OWNER}} -7`]);
  });

  test("clients that disagree on what a metric is share a gauge", async () => {
    push(metricsData(sum("m", CUMULATIVE, true, point(1))));
    push(metricsData(gauge("m", point(-2))), { id: "nhKsFfMJQ9q0KXbC5kDoWw" });
    expect(await exposition.render(clients.families())).toContain("# TYPE m gauge");
    expect(await lines()).toHaveLength(2);
  });

  test("what is no MetricsData is refused, and nothing of it counts", async () => {
    const good = metricsData(gauge("m", point(1)));
    const wrong = [good.subarray(0, -3), Uint8Array.of(0xff), Uint8Array.of(7), Uint8Array.of(0x0a, 0x7f, 1)];
    const deep = new Uint8Array(100_000).fill(0x0b);
    for (const bytes of [...wrong, deep]) expect(() => push(bytes)).toThrow();
    // A valid message followed by an invalid one.
    expect(() => push(Uint8Array.from([...good, 0x0a, 0x7f]))).toThrow();
    expect(await lines()).toEqual([]);
  });

  test("fields that nobody knows yet are passed over", async () => {
    const unknown: Write[] = [
      varint(900, 1),
      text(901, "x"),
      double(902, 1),
      writer => writer.tag(903, WireType.Bit32).fixed32(1),
    ];
    push(metricsData(nested(2, ...unknown, text(1, "m"), nested(5, ...unknown, nested(1, ...unknown, double(4, 1))))));
    expect(await lines()).toEqual([`m{${OWNER}} 1`]);
  });
});

describe("series go", () => {
  const ONE = metricsData(gauge("m", point(1)));

  test("when their client says goodbye", async () => {
    push(ONE);
    push(new Uint8Array(), { terminating: true });
    expect(await lines()).toEqual([]);
  });

  test.each([
    [1000, 300_000],
    [200_000, 600_000],
  ])("when their client, whose interval is %i ms, is silent for %i ms", async (interval, silence) => {
    push(ONE, { interval });
    now += silence;
    expect(await lines()).toHaveLength(1);
    now += 1000;
    expect(await lines()).toEqual([]);
  });

  test("when their client does not push them any more, but for what is added up", async () => {
    push(metricsData(gauge("gone", point(1)), sum("added", DELTA, true, point(2)), gauge("stays", point(3))));
    for (let i = 0; i < 2; i++) {
      now += 200_000;
      push(metricsData(gauge("stays", point(3))));
    }
    expect(await lines()).toEqual([`added{${OWNER}} 2`, `stays{${OWNER}} 3`]);
  });
});

describe("bounds", () => {
  const many = (count: number, name = "m") =>
    metricsData(gauge(name, ...Array.from({ length: count }, (_, i) => point(i, { i: String(i) }))));
  const leftOut = () => clients.families()[0].samples[0].value;

  test("series of one client, and of all together", async () => {
    clients = new ClientMetrics(() => now, { seriesOfClient: 5, series: 8 });
    push(many(7));
    expect([(await lines()).length, leftOut()]).toEqual([5, 2]);
    push(many(7), { id: "nhKsFfMJQ9q0KXbC5kDoWw" });
    expect([(await lines()).length, leftOut()]).toEqual([8, 6]);
    // A client that leaves makes room for others.
    push(new Uint8Array(), { terminating: true });
    push(many(7), { id: "nhKsFfMJQ9q0KXbC5kDoWw" });
    expect((await lines()).length).toBe(5);
    now += 301_000;
    push(many(7));
    expect((await lines()).length).toBe(5);
  });

  test("points of one push, attributes of one point, the length of a series", async () => {
    const most = new ClientMetrics(() => now, { seriesOfClient: 100_000, series: 100_000 });
    clients = most;
    push(many(10_500));
    expect(await lines()).toHaveLength(10_000);
    clients = new ClientMetrics(() => now);
    const labels = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`l${i}`, "v"]));
    push(metricsData(gauge("m", point(1, labels)), gauge("x".repeat(1000), point(1))));
    const [line, ...more] = await lines();
    expect(more).toEqual([]);
    expect(line.match(/l\d+="v"/g)).toHaveLength(16);
    expect(leftOut()).toBe(1);
  });
});
