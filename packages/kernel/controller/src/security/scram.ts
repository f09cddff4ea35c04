import { METADATA_VERSION, type MetadataImage, metadataVersionOf, scramKey } from "@samsa/metadata";
import {
  type AlterUserScramCredentialsRequest,
  type AlterUserScramCredentialsResponse,
  type MetadataRecord,
  metadataRecord,
} from "@samsa/protocol";
import { MAX_SCRAM_ITERATIONS, MIN_SCRAM_ITERATIONS, SCRAM_MECHANISMS, scramKeys } from "@samsa/sasl";
import { type Decision, type DecisionContext, type Refusal, refusal } from "../decision/decision.ts";

type Deletion = AlterUserScramCredentialsRequest["deletions"][number];
type Upsertion = AlterUserScramCredentialsRequest["upsertions"][number];

/** Change of a user's credential: accepted, or refused. */
type Change = { readonly record: () => MetadataRecord } | Refusal;

function nameFault({ name, mechanism }: Deletion): Refusal | undefined {
  if (name === "") return refusal("UNACCEPTABLE_CREDENTIAL", "Username must not be empty");
  if (SCRAM_MECHANISMS.some(({ code }) => code === mechanism)) return undefined;
  return refusal("UNSUPPORTED_SASL_MECHANISM", "Unknown SCRAM mechanism");
}

function deletion({ image }: DecisionContext, { name, mechanism }: Deletion): Change {
  const fault = nameFault({ name, mechanism });
  if (fault !== undefined) return fault;
  if (!image.scram.has(scramKey(mechanism, name))) {
    return refusal("RESOURCE_NOT_FOUND", "Attempt to delete a user credential that does not exist");
  }
  return { record: () => metadataRecord("RemoveUserScramCredentialRecord", 0, { name, mechanism }) };
}

function upsertion({ settings }: DecisionContext, wanted: Upsertion): Change {
  const { name, mechanism, iterations, salt, saltedPassword } = wanted;
  const fault = nameFault(wanted);
  if (fault !== undefined) return fault;
  if (iterations < MIN_SCRAM_ITERATIONS) return refusal("UNACCEPTABLE_CREDENTIAL", "Too few iterations");
  if (iterations > MAX_SCRAM_ITERATIONS) return refusal("UNACCEPTABLE_CREDENTIAL", "Too many iterations");
  return {
    record: () => {
      const keys = scramKeys(settings.hashes, mechanism, saltedPassword);
      // The request's memory is reused.
      const credential = { name, mechanism, iterations, salt: salt.slice(), ...keys };
      return metadataRecord("UserScramCredentialRecord", 0, credential);
    },
  };
}

const isSupported = (image: MetadataImage): boolean => metadataVersionOf(image) >= METADATA_VERSION.scram;

/**
 * AlterUserScramCredentials (`ScramControlManager.alterCredentials`): deletions come first, and a user that is named
 * twice is refused. Each user's change succeeds or fails on its own.
 */
export function alterUserScramCredentials(
  context: DecisionContext,
  { deletions, upsertions }: AlterUserScramCredentialsRequest,
): Decision<AlterUserScramCredentialsResponse> {
  const changes = new Map<string, Change>();
  const add = (name: string, change: () => Change): void => {
    const isTwice = changes.has(name);
    if (isTwice && "errorCode" in (changes.get(name) as Change)) return;
    if (isTwice) changes.set(name, refusal("DUPLICATE_RESOURCE", TWICE));
    else changes.set(name, isSupported(context.image) ? change() : refusal("UNSUPPORTED_VERSION", TOO_OLD));
  };
  for (const one of deletions) add(one.name, () => deletion(context, one));
  for (const one of upsertions) add(one.name, () => upsertion(context, one));
  const records: MetadataRecord[] = [];
  const results = [...changes].map(([user, change]) => {
    if ("errorCode" in change) return { user, ...change };
    records.push(change.record());
    return { user, errorCode: 0, errorMessage: null };
  });
  return { records, reply: { throttleTimeMs: 0, results } };
}

const TWICE = "A user credential cannot be altered twice in the same request";
const TOO_OLD = "The current metadata.version does not support SCRAM";
