import { Admin } from "./admin.ts";
import type { Client } from "../stage/client.ts";
import { CommittedReader } from "./committed-reader.ts";
import { Consumer } from "./consumer.ts";
import { Copier, copierPlans } from "./copier.ts";
import { Keeper, Member } from "./member.ts";
import { OffsetKeeper } from "./offset-keeper.ts";
import { Operator, type Plot } from "./operator.ts";
import type { Prng } from "../world/prng.ts";
import { Producer } from "./producer.ts";
import { SessionConsumer } from "./session-consumer.ts";
import type { Actor, Stage } from "../stage/stage.ts";
import { Stranger } from "./stranger.ts";
import { Subscriber } from "./subscriber.ts";
import { Surveyor } from "./surveyor.ts";
import { Table, TableReader } from "./table.ts";
import { ODD_TOPIC, TABLES } from "../ledgers/topic-names.ts";
import { TableKeeper } from "./table-keeper.ts";
import { COPY_PARTITIONS, COPY_TOPIC } from "../ledgers/txn-ledger.ts";

/** Actors of a scenario. */
export interface Cast {
  readonly admin: Admin;
  readonly producers: readonly Producer[];
  readonly members: readonly Member[];
  readonly tables: readonly Table[];
  readonly stranger: Stranger | undefined;
  readonly copiers: readonly Copier[];
  readonly subscribers: readonly Subscriber[];
  readonly actors: readonly Actor[];
}

/** Options of each producer. */
const PRODUCERS = [
  { acks: 0, idempotent: false },
  { acks: 1, idempotent: false },
  { acks: -1, idempotent: false },
  { acks: -1, idempotent: true },
  { acks: -1, idempotent: true },
];

function drawTables(rng: Prng, mayTransact: boolean): Table[] {
  const count = rng.chance(0.4) ? 0 : rng.int(1, TABLES.length);
  return TABLES.slice(0, count).map(
    name =>
      new Table({
        name,
        transactional: mayTransact && rng.chance(0.6),
        trimmed: rng.chance(0.3),
        retentionMs: rng.chance(0.5) ? 400 : 100_000,
        replicas: 1,
      }),
  );
}

/** Partitions that the operator moves while other actors track them. */
function plotsOf(tables: readonly Table[], isCopied: boolean): Plot[] {
  const plots = tables.map(({ name }): Plot => ({ topic: name, partition: 0 }));
  if (isCopied) plots.push(...COPY_PARTITIONS.map(partition => ({ topic: COPY_TOPIC, partition })));
  return plots;
}

/**
 * Draws the actors of a scenario. A subset takes part each time, so that each acts more often and every combination
 * occurs. The admin, an idempotent producer and a consumer always take part.
 */
export function cast(
  stage: Stage,
  rng: Prng,
  from: {
    readonly client: (name: string) => Client;
    readonly rngOf: (name: string) => Prng;
    readonly transactional: boolean;
  },
): Cast {
  const make = <T>(name: string, actor: (client: Client, rng: Prng) => T): T =>
    actor(from.client(name), from.rngOf(name));
  const expires = rng.chance(0.5);
  const admin = make("admin", (client, own) => new Admin(stage, client, own, { expires }));
  const producers = PRODUCERS.flatMap((options, i) =>
    i < PRODUCERS.length - 1 && rng.chance(0.4)
      ? []
      : [make(`producer${i}`, (client, own) => new Producer(stage, client, own, options))],
  );
  const actors: Actor[] = [make("consumer0", (client, own) => new Consumer(stage, client, own))];
  for (const byName of [false, true]) {
    if (rng.chance(0.5)) continue;
    actors.push(make(`session${Number(byName)}`, (c, own) => new SessionConsumer(stage, c, own, { byName })));
  }
  if (rng.chance(0.6)) {
    const deletes = rng.chance(0.6);
    actors.push(make("surveyor", (client, own) => new Surveyor(stage, client, own, { deletes })));
  }
  const count = rng.chance(0.25) ? 0 : rng.int(1, 4);
  const statics = rng.chance(0.4) ? rng.int(1, 2) : 0;
  const members = Array.from({ length: count }, (_, i) => {
    const instanceId = i < statics ? `static${i}` : null;
    return make(`member${i}`, (client, own) => new Member(stage, client, own, { instanceId }));
  });
  if (rng.chance(0.5)) actors.push(make("keeper", (client, own) => new Keeper(stage, client, own)));
  const tables = drawTables(from.rngOf("tables"), from.transactional);
  for (const table of tables) {
    actors.push(make(table.name, (client, own) => new TableKeeper(stage, client, own, table)));
  }
  if (tables.length > 0) actors.push(make("reader", (client, own) => new TableReader(stage, client, own, tables)));
  // Drawn from their own generator, so that the other actors behave the same with or without copiers.
  const copiers = from.transactional
    ? copierPlans(from.rngOf("copiers")).map(plan =>
        make(plan.name, (client, own) => new Copier(stage, client, own, plan)),
      )
    : [];
  if (from.transactional) actors.push(make("committed", (client, own) => new CommittedReader(stage, client, own)));
  if (from.rngOf("offsets").chance(0.5)) {
    actors.push(make("offsets", (client, each) => new OffsetKeeper(stage, client, each)));
  }
  const stranger = from.rngOf("strangers").chance(0.4)
    ? make("stranger", (client, each) => new Stranger(stage, client, each))
    : undefined;
  if (stranger !== undefined) actors.push(stranger);
  const plots = plotsOf(tables, copiers.length > 0);
  if (stranger !== undefined) plots.push({ topic: ODD_TOPIC, partition: 0 });
  if (plots.length > 0) actors.push(make("operator", (client, each) => new Operator(stage, client, each, plots)));
  const own = from.rngOf("subscribers");
  const subscribed = own.chance(0.4) ? 0 : own.int(1, 3);
  const subscribers = Array.from({ length: subscribed }, (_, i) => {
    const instanceId = own.chance(0.25) ? `place${i}` : null;
    return make(`subscriber${i}`, (client, each) => new Subscriber(stage, client, each, { instanceId }));
  });
  return {
    admin,
    producers,
    members,
    tables,
    stranger,
    copiers,
    subscribers,
    actors: [admin, ...producers, ...actors, ...members, ...subscribers, ...copiers],
  };
}
