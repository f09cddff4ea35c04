import { duplicates } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { scramKey } from "@samsa/metadata";
import { SCRAM_MECHANISMS } from "@samsa/sasl";
import type { Handler, ItemOf } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "topics">;
type Described = ItemOf<"DescribeUserScramCredentials", "results">;

/** DescribeUserScramCredentials (KIP-554): mechanisms and iterations of the users that are named, or of all. */
export const describeUserScramCredentials: Handler<"DescribeUserScramCredentials", Needs> = (
  { topics },
  request,
  _context,
  reply,
) => {
  const { scram } = topics.image;
  const asked = request.users?.map(({ name }) => name) ?? [];
  const names = asked.length > 0 ? asked : [...scram.values()].map(({ name }) => name);
  const namedTwice = duplicates(asked);
  const described = (user: string): Described => {
    const failed = ({ code: errorCode }: { readonly code: number }, errorMessage: string): Described => {
      return { user, errorCode, errorMessage, credentialInfos: [] };
    };
    if (namedTwice.has(user)) {
      return failed(
        Errors.DUPLICATE_RESOURCE,
        `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`,
      );
    }
    const credentialInfos = SCRAM_MECHANISMS.flatMap(({ code: mechanism }) => {
      const credential = scram.get(scramKey(mechanism, user));
      return credential === undefined ? [] : [{ mechanism, iterations: credential.iterations }];
    });
    if (credentialInfos.length > 0) return { user, errorCode: 0, errorMessage: "", credentialInfos };
    return failed(Errors.RESOURCE_NOT_FOUND, `Attempt to describe a user credential that does not exist: ${user}`);
  };
  const results = [...new Set(names)].map(described);
  // Kafka leaves the message empty.
  reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: "", results });
};
