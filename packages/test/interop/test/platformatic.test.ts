import { test } from "vitest";
import { PlatformaticJudge } from "../src/judges/platformatic-judge.ts";
import { surviveCrashes, withBroker, writeAndRead } from "./scenarios.ts";

test("@platformatic/kafka writes and reads with every codec", () =>
  withBroker(broker => writeAndRead(new PlatformaticJudge(broker.server))));

test("@platformatic/kafka loses nothing when the broker is stopped and killed", () =>
  withBroker(broker => surviveCrashes(broker, new PlatformaticJudge(broker.server))));
