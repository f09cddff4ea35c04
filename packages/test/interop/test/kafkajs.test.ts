import { test } from "vitest";
import { KafkajsJudge } from "../src/judges/kafkajs-judge.ts";
import { surviveCrashes, withBroker, writeAndRead } from "./scenarios.ts";

test("KafkaJS writes and reads with every codec", () =>
  withBroker(broker => writeAndRead(new KafkajsJudge(broker.server))));

test("KafkaJS loses nothing when the broker is stopped and killed", () =>
  withBroker(broker => surviveCrashes(broker, new KafkajsJudge(broker.server))));
