/**
 * Kind of cluster on which a scenario may be played, too: `secured` with TLS, SCRAM, certificates of nodes and an
 * authorizer; `mixed` with a node of Apache Kafka among those of Samsa.
 */
export type Variation = "secured" | "mixed";
