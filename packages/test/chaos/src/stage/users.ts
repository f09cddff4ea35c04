import {
  type ClusterSecurity,
  credentialOf,
  deletionOf,
  type Login,
  type MixedCluster,
  type MixedNode,
  until,
  wireSecurity,
} from "@samsa/interop";
import type { ApiName } from "@samsa/protocol";
import { type ResponseOf, WireError } from "@samsa/wire";
import { connectAs } from "./wire.ts";

/** Codes of requests about ACLs: literal names, all operations, allowed. */
const [LITERAL, ALL, ALLOW] = [3, 2, 3];
/** Resources of which the clients of a scenario make use: topics, groups, and transactional ids. */
const RESOURCES = [2, 3, 5];

/** Cluster whose users change. */
interface Place {
  readonly cluster: MixedCluster;
  readonly security: ClusterSecurity | undefined;
  readonly anyone: MixedNode;
  ask<N extends ApiName>(id: number, api: N, version: number, body: object): Promise<ResponseOf<N>>;
}

async function alterCredential(place: Place, body: object): Promise<void> {
  const { results } = await place.ask(place.anyone.id, "AlterUserScramCredentials", 0, body);
  const [refused] = results.filter(({ errorCode }) => errorCode !== 0);
  if (refused !== undefined) throw new Error(`a credential cannot be changed: ${refused.errorMessage}`);
}

/** True if every broker that runs lets a client in that logs in so; false if all refuse it. Rejects unless all agree. */
async function isAccepted(place: Place, login: Login): Promise<boolean> {
  const security = place.security && wireSecurity(place.security.client(login));
  const answers = await Promise.all(
    place.cluster.nodes.map(async ({ broker = "" }) => {
      try {
        (await connectAs("login", broker, undefined, security)).close();
        return true;
      } catch (error) {
        if (error instanceof WireError && error.code === "AUTHENTICATION_FAILED") return false;
        throw error;
      }
    }),
  );
  if (new Set(answers).size !== 1) throw new Error(`brokers do not agree about ${login.username}`);
  return answers[0] === true;
}

/** Makes a user's credential, or replaces its password, and waits until all brokers know it. */
export async function setCredential(place: Place, login: Login): Promise<void> {
  await alterCredential(place, credentialOf(login));
  await until(`${login.username} can log in`, () => isAccepted(place, login));
}

/** Deletes the credential by which a user logs in with a mechanism, and waits until all brokers refuse it. */
export async function deleteCredential(place: Place, login: Login): Promise<void> {
  await alterCredential(place, deletionOf(login));
  await refusedLogin(place, login);
}

/** Waits until all brokers refuse a login. */
export async function refusedLogin(place: Place, login: Login): Promise<void> {
  await until(`${login.username} is refused`, async () => !(await isAccepted(place, login)));
}

/** Makes the user of the loads, who may do with topics, groups and transactions what ACLs say: everything. */
export async function makeUser(place: Place, login: Login): Promise<void> {
  await setCredential(place, login);
  const creations = RESOURCES.map(resourceType => ({
    ...{ resourceType, resourceName: "*", resourcePatternType: LITERAL },
    ...{ principal: `User:${login.username}`, host: "*", operation: ALL, permissionType: ALLOW },
  }));
  const { results } = await place.ask(place.anyone.id, "CreateAcls", 3, { creations });
  const refused = results.find(({ errorCode }) => errorCode !== 0);
  if (refused !== undefined) throw new Error(`an ACL cannot be made: ${refused.errorMessage}`);
}
