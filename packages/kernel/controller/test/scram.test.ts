import * as crypto from "node:crypto";
import { bootstrapRecords } from "@samsa/controller";
import { METADATA_VERSION, type MetadataImage } from "@samsa/metadata";
import { type AlterUserScramCredentialsRequest, errorOf } from "@samsa/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { FEATURES, Fixture } from "./fixture.ts";

let cluster: Fixture;
beforeEach(() => {
  cluster = new Fixture();
  cluster.append(bootstrapRecords({ metadataVersion: METADATA_VERSION.latest, features: FEATURES }));
});

const SALT = Buffer.from("salt");
const SALTED = crypto.pbkdf2Sync("secret", SALT, 4096, 32, "sha256");
const upsertion = (name: string, change: object = {}) => ({
  ...{ name, mechanism: 1, iterations: 4096, salt: SALT, saltedPassword: SALTED },
  ...change,
});

type Request = Partial<Pick<AlterUserScramCredentialsRequest, "deletions" | "upsertions">>;

function alter({ deletions = [], upsertions = [] }: Request) {
  const { results } = cluster.run("AlterUserScramCredentials", {
    deletions,
    upsertions,
  } as AlterUserScramCredentialsRequest);
  return results.map(({ user, errorCode, errorMessage }) => [user, errorOf(errorCode).name, errorMessage]);
}

const users = ({ scram }: MetadataImage) => [...scram.values()].map(({ name, mechanism }) => `${name}/${mechanism}`);

describe("AlterUserScramCredentials", () => {
  test("keeps keys, and not the password", () => {
    expect(alter({ upsertions: [upsertion("alice")] })).toEqual([["alice", "NONE", null]]);
    const hmac = (text: string) => crypto.createHmac("sha256", SALTED).update(text).digest();
    const [credential] = [...cluster.controller.image.scram.values()];
    expect(credential).toMatchObject({ name: "alice", mechanism: 1, iterations: 4096 });
    const { salt, storedKey, serverKey } = credential!;
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
    expect([salt, storedKey, serverKey].map(base64)).toEqual(
      [SALT, crypto.createHash("sha256").update(hmac("Client Key")).digest(), hmac("Server Key")].map(base64),
    );
    expect([salt, storedKey, serverKey].map(base64)).not.toContain(base64(SALTED));
  });

  test("deletes, and replaces", () => {
    alter({ upsertions: [upsertion("alice"), upsertion("bob", { mechanism: 2 })] });
    expect(users(cluster.controller.image)).toEqual(["alice/1", "bob/2"]);
    const changed = alter({
      deletions: [{ name: "alice", mechanism: 1 }],
      upsertions: [upsertion("bob", { iterations: 8192, mechanism: 2 })],
    });
    expect(changed).toEqual([
      ["alice", "NONE", null],
      ["bob", "NONE", null],
    ]);
    expect(users(cluster.controller.image)).toEqual(["bob/2"]);
    expect([...cluster.controller.image.scram.values()][0]?.iterations).toBe(8192);
  });

  test.each([
    ["an empty name", { upsertions: [upsertion("")] }, "UNACCEPTABLE_CREDENTIAL", "Username must not be empty"],
    [
      "too few iterations",
      { upsertions: [upsertion("u", { iterations: 4095 })] },
      "UNACCEPTABLE_CREDENTIAL",
      "Too few iterations",
    ],
    [
      "too many iterations",
      { upsertions: [upsertion("u", { iterations: 16385 })] },
      "UNACCEPTABLE_CREDENTIAL",
      "Too many iterations",
    ],
    [
      "an unknown mechanism",
      { upsertions: [upsertion("u", { mechanism: 3 })] },
      "UNSUPPORTED_SASL_MECHANISM",
      "Unknown SCRAM mechanism",
    ],
    [
      "deletion with an unknown mechanism",
      { deletions: [{ name: "u", mechanism: 0 }] },
      "UNSUPPORTED_SASL_MECHANISM",
      "Unknown SCRAM mechanism",
    ],
    [
      "deletion of nothing",
      { deletions: [{ name: "u", mechanism: 1 }] },
      "RESOURCE_NOT_FOUND",
      "Attempt to delete a user credential that does not exist",
    ],
    [
      "a user twice",
      { upsertions: [upsertion("u"), upsertion("u", { mechanism: 2 }), upsertion("u")] },
      "DUPLICATE_RESOURCE",
      "A user credential cannot be altered twice in the same request",
    ],
  ])("refuses %s", (_what, request, error, message) => {
    expect(alter(request)).toEqual([[expect.any(String), error, message]]);
    expect(users(cluster.controller.image)).toEqual([]);
  });

  test("refuses a user that is both deleted and set, and changes others", () => {
    alter({ upsertions: [upsertion("u")] });
    const changed = alter({ deletions: [{ name: "u", mechanism: 1 }], upsertions: [upsertion("u"), upsertion("v")] });
    expect(changed.map(([user, error]) => [user, error])).toEqual([
      ["u", "DUPLICATE_RESOURCE"],
      ["v", "NONE"],
    ]);
    expect(users(cluster.controller.image)).toEqual(["u/1", "v/1"]);
  });

  test("needs metadata.version 3.5-IV2", () => {
    cluster = new Fixture();
    cluster.append(bootstrapRecords({ metadataVersion: METADATA_VERSION.scram - 1, features: FEATURES }));
    expect(alter({ upsertions: [upsertion("u")] })).toEqual([
      ["u", "UNSUPPORTED_VERSION", "The current metadata.version does not support SCRAM"],
    ]);
  });
});
