import type { Logger } from "@samsa/base";
import { Apis, Errors } from "@samsa/protocol";
import { AuthorizerNotReadyError } from "@samsa/security";
import { expect, test } from "vitest";
import type { ControllerParts } from "../src/controller/controller-row.ts";
import { LocalController } from "../src/controller/local-controller.ts";
import { NO_MUTATION_QUOTA } from "../src/quotas/quotas.ts";

/** Controller of this node whose authorizer throws `error`, and the levels of what it logs. */
function controllerThat(error: Error) {
  const levels: string[] = [];
  const log = (level: string) => () => void levels.push(level);
  const logger: Logger = { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
  const fail = (): never => {
    throw error;
  };
  const parts = {
    env: { logger },
    quotas: { mutations: () => NO_MUTATION_QUOTA },
    authorizer: { allows: fail, allowsSome: fail },
  } as unknown as ControllerParts;
  return { controller: new LocalController(parts), levels };
}

test.each([
  [new AuthorizerNotReadyError(), "info"],
  [new Error("a fault"), "error"],
])("a request fails if the authorizer throws (%s), which is logged at its level", async (error, level) => {
  const { controller, levels } = controllerThat(error);
  const request = Apis.AlterPartitionReassignments.request.defaults({ topics: [], timeoutMs: 0 });
  const client = { user: "alice", byToken: false, clientId: "", host: "10.0.0.1", version: 0 };
  const answer = await controller.call("AlterPartitionReassignments", request, client);
  expect(answer.errorCode).toBe(Errors.UNKNOWN_SERVER_ERROR.code);
  expect(levels).toEqual([level]);
});
