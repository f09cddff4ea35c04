/**
 * DescribeCluster: describes the brokers or the controllers of the cluster.
 *
 * Version 1: Adds EndpointType, brokers or controllers (KIP-919).
 * Version 2: Adds IncludeFencedBrokers and IsFenced (KIP-1073).
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const describeClusterRequest = message(
  "DescribeClusterRequest",
  { versions: [0, 2], flexible: 0 },
  {
    includeClusterAuthorizedOperations: bool(),
    endpointType: i8({ since: 1, default: 1 }),
    includeFencedBrokers: bool({ since: 2 }),
  },
);
export type DescribeClusterRequest = Infer<typeof describeClusterRequest>;

export const describeClusterResponse = message(
  "DescribeClusterResponse",
  { versions: [0, 2], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
    endpointType: i8({ since: 1, default: 1 }),
    clusterId: string(),
    controllerId: brokerId({ default: -1 }),
    brokers: array({
      brokerId: brokerId(),
      host: string(),
      port: i32(),
      rack: string({ nullable: true, default: null }),
      isFenced: bool({ since: 2 }),
    }),
    clusterAuthorizedOperations: i32({ default: -2147483648 }),
  },
);
export type DescribeClusterResponse = Infer<typeof describeClusterResponse>;
