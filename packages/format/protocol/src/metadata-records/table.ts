/** Records of `__cluster_metadata`, by type id. */
import { registerBrokerRecord } from "./register-broker.ts";
import { unregisterBrokerRecord } from "./unregister-broker.ts";
import { topicRecord } from "./topic.ts";
import { partitionRecord } from "./partition.ts";
import { configRecord } from "./config.ts";
import { partitionChangeRecord } from "./partition-change.ts";
import { fenceBrokerRecord } from "./fence-broker.ts";
import { unfenceBrokerRecord } from "./unfence-broker.ts";
import { removeTopicRecord } from "./remove-topic.ts";
import { delegationTokenRecord } from "./delegation-token.ts";
import { userScramCredentialRecord } from "./user-scram-credential.ts";
import { featureLevelRecord } from "./feature-level.ts";
import { clientQuotaRecord } from "./client-quota.ts";
import { producerIdsRecord } from "./producer-ids.ts";
import { brokerRegistrationChangeRecord } from "./broker-registration-change.ts";
import { accessControlEntryRecord } from "./access-control-entry.ts";
import { removeAccessControlEntryRecord } from "./remove-access-control-entry.ts";
import { noOpRecord } from "./no-op.ts";
import { zkMigrationStateRecord } from "./zk-migration-state.ts";
import { removeUserScramCredentialRecord } from "./remove-user-scram-credential.ts";
import { beginTransactionRecord } from "./begin-transaction.ts";
import { endTransactionRecord } from "./end-transaction.ts";
import { abortTransactionRecord } from "./abort-transaction.ts";
import { removeDelegationTokenRecord } from "./remove-delegation-token.ts";
import { registerControllerRecord } from "./register-controller.ts";
import { clearElrRecord } from "./clear-elr.ts";
import { unregisterControllerRecord } from "./unregister-controller.ts";

/** Record types by name. To add one, add its file and a line here. */
export const METADATA_RECORDS = {
  RegisterBrokerRecord: { id: 0, message: registerBrokerRecord },
  UnregisterBrokerRecord: { id: 1, message: unregisterBrokerRecord },
  TopicRecord: { id: 2, message: topicRecord },
  PartitionRecord: { id: 3, message: partitionRecord },
  ConfigRecord: { id: 4, message: configRecord },
  PartitionChangeRecord: { id: 5, message: partitionChangeRecord },
  FenceBrokerRecord: { id: 7, message: fenceBrokerRecord },
  UnfenceBrokerRecord: { id: 8, message: unfenceBrokerRecord },
  RemoveTopicRecord: { id: 9, message: removeTopicRecord },
  DelegationTokenRecord: { id: 10, message: delegationTokenRecord },
  UserScramCredentialRecord: { id: 11, message: userScramCredentialRecord },
  FeatureLevelRecord: { id: 12, message: featureLevelRecord },
  ClientQuotaRecord: { id: 14, message: clientQuotaRecord },
  ProducerIdsRecord: { id: 15, message: producerIdsRecord },
  BrokerRegistrationChangeRecord: { id: 17, message: brokerRegistrationChangeRecord },
  AccessControlEntryRecord: { id: 18, message: accessControlEntryRecord },
  RemoveAccessControlEntryRecord: { id: 19, message: removeAccessControlEntryRecord },
  NoOpRecord: { id: 20, message: noOpRecord },
  ZkMigrationStateRecord: { id: 21, message: zkMigrationStateRecord },
  RemoveUserScramCredentialRecord: { id: 22, message: removeUserScramCredentialRecord },
  BeginTransactionRecord: { id: 23, message: beginTransactionRecord },
  EndTransactionRecord: { id: 24, message: endTransactionRecord },
  AbortTransactionRecord: { id: 25, message: abortTransactionRecord },
  RemoveDelegationTokenRecord: { id: 26, message: removeDelegationTokenRecord },
  RegisterControllerRecord: { id: 27, message: registerControllerRecord },
  ClearElrRecord: { id: 28, message: clearElrRecord },
  UnregisterControllerRecord: { id: 29, message: unregisterControllerRecord },
} as const;
