import { Apis, type ApiName, Errors } from "@samsa/protocol";
import { expect, test } from "vitest";
import { ControllerRequests, LISTENER_APIS } from "../src/controller/controller-requests.ts";
import { sealEnvelope } from "../src/controller/envelope.ts";
import { ALLOW_ALL } from "@samsa/security";

const { NOT_CONTROLLER, NOT_LEADER_OR_FOLLOWER, INVALID_REQUEST } = Errors;

/** Code of the envelope with a request, of a node whose replica of the metadata log answers it with `errorCode`. */
function forwarded(api: ApiName, version: number, request: object, errorCode: number): number {
  const answer = { throttleTimeMs: 0, errorCode, errorMessage: null, topics: [], nodes: [] };
  const parts = {
    env: { logger: console },
    authorizer: ALLOW_ALL,
    quorum: { handle: (...call: unknown[]) => reply(call)(answer) },
  };
  const reply = (call: unknown[]) => call.at(-1) as (response: object) => void;
  const requests = new ControllerRequests(parts as never, undefined as never);
  const envelope = sealEnvelope(
    api,
    request,
    { user: "ann", byToken: false, host: "10.0.0.1", clientId: "c", version },
    1,
  );
  const peer = { host: "10.0.0.2", port: 1, software: { name: "", version: "" } };
  const context = {
    ...{ version: 0, user: "", byToken: false, allowsTokens: false, clientId: "" },
    listener: "CONTROLLER",
    peer,
    close() {},
  };
  let code = -1;
  requests.handle(LISTENER_APIS.get(Apis.Envelope.key)!, envelope, context, response => {
    code = (response as { errorCode: number }).errorCode;
  });
  return code;
}

test("brokers look for another controller if the one that they ask does not lead the quorum", () => {
  const quorum = { topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }] };
  const leaving = { clusterId: null, voterId: 1, voterDirectoryId: "AAAAAAAAAAAAAAAAAAAAZQ" };
  expect(forwarded("DescribeQuorum", 2, quorum, NOT_LEADER_OR_FOLLOWER.code)).toBe(NOT_CONTROLLER.code);
  expect(forwarded("RemoveRaftVoter", 0, leaving, NOT_LEADER_OR_FOLLOWER.code)).toBe(NOT_CONTROLLER.code);
  expect(forwarded("RemoveRaftVoter", 0, leaving, INVALID_REQUEST.code), "an answer").toBe(0);
  expect(forwarded("DescribeQuorum", 2, quorum, 0), "an answer").toBe(0);
});
