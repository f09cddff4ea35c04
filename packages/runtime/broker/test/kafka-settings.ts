/** The settings that Apache Kafka 4.4.0 documents, with their types and when they may change. */
export interface KafkaSetting {
  readonly name: string;
  readonly type: string;
  readonly update: string;
}

function parse(text: string): KafkaSetting[] {
  return text
    .trim()
    .split("\n")
    .map(line => {
      const [name, type, update = "read-only"] = line.split(" ");
      return { name, type, update };
    });
}

/** `LogConfig`. */
export const KAFKA_TOPIC_SETTINGS: readonly KafkaSetting[] = parse(`
cleanup.policy list
compression.gzip.level int
compression.lz4.level int
compression.type string
compression.zstd.level int
delete.retention.ms long
errors.deadletterqueue.group.enable boolean
file.delete.delay.ms long
flush.messages long
flush.ms long
follower.replication.throttled.replicas list
index.interval.bytes int
leader.replication.throttled.replicas list
local.retention.bytes long
local.retention.ms long
max.compaction.lag.ms long
max.decompressed.message.bytes int
max.message.bytes int
message.timestamp.after.max.ms long
message.timestamp.before.max.ms long
message.timestamp.type string
min.cleanable.dirty.ratio double
min.compaction.lag.ms long
min.insync.replicas int
preallocate boolean
remote.copy.lag.bytes long
remote.copy.lag.ms long
remote.log.copy.disable boolean
remote.log.delete.on.disable boolean
remote.storage.enable boolean
retention.bytes long
retention.ms long
segment.bytes int
segment.index.bytes int
segment.jitter.ms long
segment.ms long
unclean.leader.election.enable boolean
`);

/** `AbstractKafkaConfig`, and the quotas that can only be set at run time. */
export const KAFKA_BROKER_SETTINGS: readonly KafkaSetting[] = parse(`
add.partitions.to.txn.retry.backoff.max.ms int
add.partitions.to.txn.retry.backoff.ms int
advertised.listeners list
alter.config.policy.class.name class
alter.log.dirs.replication.quota.window.num int
alter.log.dirs.replication.quota.window.size.seconds int
authorizer.class.name string
auto.create.topics.enable boolean
auto.leader.rebalance.enable boolean
background.threads int cluster-wide
broker.heartbeat.interval.ms int
broker.id int
broker.rack string
broker.session.timeout.ms int
client.quota.callback.class class
compression.gzip.level int cluster-wide
compression.lz4.level int cluster-wide
compression.type string cluster-wide
compression.zstd.level int cluster-wide
config.providers list cluster-wide
connection.failed.authentication.delay.ms int
connections.max.idle.ms long
connections.max.reauth.ms long
controlled.shutdown.enable boolean
controller.listener.names list
controller.quorum.append.linger.ms int
controller.quorum.auto.join.enable boolean
controller.quorum.bootstrap.servers list
controller.quorum.election.backoff.max.ms int
controller.quorum.election.timeout.ms int
controller.quorum.fetch.max.bytes int
controller.quorum.fetch.snapshot.max.bytes int
controller.quorum.fetch.timeout.ms int
controller.quorum.request.timeout.ms int
controller.quorum.retry.backoff.ms int
controller.quorum.voters list
controller.quota.window.num int
controller.quota.window.size.seconds int
controller.socket.timeout.ms int
cordoned.log.dirs list per-broker
create.topic.policy.class.name class
default.replication.factor int
delegation.token.expiry.check.interval.ms long
delegation.token.expiry.time.ms long
delegation.token.max.lifetime.ms long
delegation.token.secret.key password
delete.records.purgatory.purge.interval.requests int
delete.topic.enable boolean
early.start.listeners list
errors.deadletterqueue.auto.create.topics.enable boolean cluster-wide
errors.deadletterqueue.topic.name.prefix string cluster-wide
fetch.max.bytes int
fetch.purgatory.purge.interval.requests int
follower.fetch.last.tiered.offset.enable boolean cluster-wide
follower.replication.throttled.rate long cluster-wide
group.consumer.assignment.interval.ms int cluster-wide
group.consumer.assignors list
group.consumer.heartbeat.interval.ms int
group.consumer.max.assignment.interval.ms int
group.consumer.max.heartbeat.interval.ms int
group.consumer.max.session.timeout.ms int
group.consumer.max.size int
group.consumer.migration.policy string
group.consumer.min.assignment.interval.ms int
group.consumer.min.heartbeat.interval.ms int
group.consumer.min.session.timeout.ms int
group.consumer.session.timeout.ms int
group.coordinator.append.linger.ms int
group.coordinator.background.threads int
group.coordinator.cached.buffer.max.bytes int cluster-wide
group.coordinator.rebalance.protocols list
group.coordinator.threads int
group.initial.rebalance.delay.ms int
group.max.session.timeout.ms int
group.max.size int
group.min.session.timeout.ms int
group.share.assignment.interval.ms int cluster-wide
group.share.assignors list
group.share.delivery.count.limit int
group.share.heartbeat.interval.ms int
group.share.max.assignment.interval.ms int
group.share.max.delivery.count.limit int
group.share.max.heartbeat.interval.ms int
group.share.max.partition.max.record.locks int
group.share.max.record.lock.duration.ms int
group.share.max.session.timeout.ms int
group.share.max.share.sessions int
group.share.max.size int
group.share.min.assignment.interval.ms int
group.share.min.delivery.count.limit int
group.share.min.heartbeat.interval.ms int
group.share.min.partition.max.record.locks int
group.share.min.record.lock.duration.ms int
group.share.min.session.timeout.ms int
group.share.partition.max.record.locks int
group.share.record.lock.duration.ms int
group.share.session.timeout.ms int
group.streams.assignment.interval.ms int cluster-wide
group.streams.assignors list
group.streams.heartbeat.interval.ms int
group.streams.initial.rebalance.delay.ms int
group.streams.max.assignment.interval.ms int
group.streams.max.heartbeat.interval.ms int
group.streams.max.session.timeout.ms int
group.streams.max.size int
group.streams.max.standby.replicas int
group.streams.min.assignment.interval.ms int
group.streams.min.heartbeat.interval.ms int
group.streams.min.session.timeout.ms int
group.streams.num.standby.replicas int
group.streams.rack.aware.assignment.tags list
group.streams.session.timeout.ms int
group.streams.topology.description.plugin.class class
initial.broker.registration.timeout.ms int
inter.broker.listener.name string
kafka.metrics.polling.interval.secs int
kafka.metrics.reporters list
leader.imbalance.check.interval.seconds long
leader.replication.throttled.rate long cluster-wide
listener.security.protocol.map string per-broker
listeners list per-broker
log.cleaner.backoff.ms long cluster-wide
log.cleaner.dedupe.buffer.size long cluster-wide
log.cleaner.delete.retention.ms long cluster-wide
log.cleaner.enable boolean
log.cleaner.io.buffer.load.factor double cluster-wide
log.cleaner.io.buffer.size int cluster-wide
log.cleaner.io.max.bytes.per.second double cluster-wide
log.cleaner.max.compaction.lag.ms long cluster-wide
log.cleaner.min.cleanable.ratio double cluster-wide
log.cleaner.min.compaction.lag.ms long cluster-wide
log.cleaner.threads int cluster-wide
log.cleanup.policy list cluster-wide
log.dir list
log.dir.failure.timeout.ms long
log.dirs list
log.flush.interval.messages long cluster-wide
log.flush.interval.ms long cluster-wide
log.flush.offset.checkpoint.interval.ms int
log.flush.scheduler.interval.ms long
log.flush.start.offset.checkpoint.interval.ms int
log.index.interval.bytes int cluster-wide
log.index.size.max.bytes int cluster-wide
log.local.retention.bytes long cluster-wide
log.local.retention.ms long cluster-wide
log.message.timestamp.after.max.ms long cluster-wide
log.message.timestamp.before.max.ms long cluster-wide
log.message.timestamp.type string cluster-wide
log.preallocate boolean cluster-wide
log.remote.copy.lag.bytes long cluster-wide
log.remote.copy.lag.ms long cluster-wide
log.retention.bytes long cluster-wide
log.retention.check.interval.ms long
log.retention.hours int
log.retention.minutes int
log.retention.ms long cluster-wide
log.roll.hours int
log.roll.jitter.hours int
log.roll.jitter.ms long cluster-wide
log.roll.ms long cluster-wide
log.segment.bytes int cluster-wide
log.segment.delete.delay.ms long cluster-wide
max.connection.creation.rate int cluster-wide
max.connections int cluster-wide
max.connections.per.ip int cluster-wide
max.connections.per.ip.overrides string cluster-wide
max.decompressed.message.bytes int cluster-wide
max.incremental.fetch.session.cache.slots int
max.request.partition.size.limit int
message.max.bytes int cluster-wide
metadata.log.dir string
metadata.log.max.record.bytes.between.snapshots long
metadata.log.max.snapshot.interval.ms long
metadata.log.segment.bytes int
metadata.log.segment.ms long
metadata.max.idle.interval.ms int
metadata.max.retention.bytes long
metadata.max.retention.ms long
metric.reporters list cluster-wide
metrics.num.samples int
metrics.recording.level string
metrics.sample.window.ms long
min.insync.replicas int cluster-wide
node.id int
num.io.threads int cluster-wide
num.network.threads int cluster-wide
num.partitions int
num.recovery.threads.per.data.dir int cluster-wide
num.replica.alter.log.dirs.threads int
num.replica.fetchers int cluster-wide
offset.metadata.max.bytes int
offsets.commit.timeout.ms int
offsets.load.buffer.size int
offsets.retention.check.interval.ms long
offsets.retention.minutes int
offsets.topic.compression.codec int
offsets.topic.num.partitions int
offsets.topic.replication.factor short
offsets.topic.segment.bytes int
principal.builder.class class per-broker
process.roles list
producer.id.expiration.ms int cluster-wide
producer.purgatory.purge.interval.requests int
queued.max.request.bytes long
queued.max.requests int
quota.window.num int
quota.window.size.seconds int
remote.fetch.max.wait.ms int cluster-wide
remote.list.offsets.request.timeout.ms long cluster-wide
remote.log.index.file.cache.total.size.bytes long cluster-wide
remote.log.manager.copier.thread.pool.size int cluster-wide
remote.log.manager.copy.max.bytes.per.second long cluster-wide
remote.log.manager.copy.quota.window.num int
remote.log.manager.copy.quota.window.size.seconds int
remote.log.manager.expiration.thread.pool.size int cluster-wide
remote.log.manager.fetch.max.bytes.per.second long cluster-wide
remote.log.manager.fetch.quota.window.num int
remote.log.manager.fetch.quota.window.size.seconds int
remote.log.manager.follower.thread.pool.size int cluster-wide
remote.log.manager.task.interval.ms long
remote.log.manager.thread.pool.size int
remote.log.metadata.custom.metadata.max.bytes int
remote.log.metadata.manager.class.name string
remote.log.metadata.manager.class.path string
remote.log.metadata.manager.impl.prefix string
remote.log.metadata.manager.listener.name string
remote.log.reader.max.pending.tasks int
remote.log.reader.threads int cluster-wide
remote.log.storage.manager.class.name string
remote.log.storage.manager.class.path string
remote.log.storage.manager.impl.prefix string
remote.log.storage.system.enable boolean
replica.alter.log.dirs.io.max.bytes.per.second long cluster-wide
replica.fetch.backoff.ms int
replica.fetch.max.bytes int
replica.fetch.min.bytes int
replica.fetch.response.max.bytes int
replica.fetch.wait.max.ms int
replica.high.watermark.checkpoint.interval.ms long
replica.lag.time.max.ms long
replica.selector.class string
replica.socket.receive.buffer.bytes int
replica.socket.timeout.ms int
replication.quota.window.num int
replication.quota.window.size.seconds int
request.timeout.ms int
sasl.client.callback.handler.class class
sasl.enabled.mechanisms list per-broker
sasl.jaas.config password per-broker
sasl.kerberos.kinit.cmd string per-broker
sasl.kerberos.min.time.before.relogin long per-broker
sasl.kerberos.principal.to.local.rules list per-broker
sasl.kerberos.service.name string per-broker
sasl.kerberos.ticket.renew.jitter double per-broker
sasl.kerberos.ticket.renew.window.factor double per-broker
sasl.login.callback.handler.class class
sasl.login.class class
sasl.login.connect.timeout.ms int
sasl.login.read.timeout.ms int
sasl.login.refresh.buffer.seconds short per-broker
sasl.login.refresh.min.period.seconds short per-broker
sasl.login.refresh.window.factor double per-broker
sasl.login.refresh.window.jitter double per-broker
sasl.login.retry.backoff.max.ms long
sasl.login.retry.backoff.ms long
sasl.mechanism.controller.protocol string
sasl.mechanism.inter.broker.protocol string per-broker
sasl.oauthbearer.allow.unverified.audience boolean
sasl.oauthbearer.allow.unverified.issuer boolean
sasl.oauthbearer.assertion.algorithm string
sasl.oauthbearer.assertion.claim.aud string
sasl.oauthbearer.assertion.claim.exp.seconds int
sasl.oauthbearer.assertion.claim.iss string
sasl.oauthbearer.assertion.claim.jti.include boolean
sasl.oauthbearer.assertion.claim.nbf.seconds int
sasl.oauthbearer.assertion.claim.sub string
sasl.oauthbearer.assertion.file string
sasl.oauthbearer.assertion.private.key.file string
sasl.oauthbearer.assertion.private.key.passphrase password
sasl.oauthbearer.assertion.template.file string
sasl.oauthbearer.client.credentials.client.id string
sasl.oauthbearer.client.credentials.client.secret password
sasl.oauthbearer.clock.skew.seconds int
sasl.oauthbearer.expected.audience list
sasl.oauthbearer.expected.issuer string
sasl.oauthbearer.jwks.endpoint.refresh.ms long
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms long
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms long
sasl.oauthbearer.jwks.endpoint.url string
sasl.oauthbearer.jwt.retriever.class class
sasl.oauthbearer.jwt.validator.class class
sasl.oauthbearer.scope string
sasl.oauthbearer.scope.claim.name string
sasl.oauthbearer.sub.claim.name string
sasl.oauthbearer.token.endpoint.url string
sasl.server.callback.handler.class class
sasl.server.max.receive.size int
security.inter.broker.protocol string
security.providers string
share.coordinator.append.linger.ms int
share.coordinator.cached.buffer.max.bytes int cluster-wide
share.coordinator.load.buffer.size int
share.coordinator.snapshot.update.records.per.snapshot int
share.coordinator.state.topic.compression.codec int
share.coordinator.state.topic.min.isr short
share.coordinator.state.topic.num.partitions int
share.coordinator.state.topic.replication.factor short
share.coordinator.state.topic.segment.bytes int
share.coordinator.threads int
share.coordinator.write.timeout.ms int
share.fetch.purgatory.purge.interval.requests int
socket.connection.setup.timeout.max.ms long
socket.connection.setup.timeout.ms long
socket.listen.backlog.size int
socket.receive.buffer.bytes int
socket.request.max.bytes int
socket.send.buffer.bytes int
ssl.allow.dn.changes boolean
ssl.allow.san.changes boolean
ssl.cipher.suites list per-broker
ssl.client.auth string per-broker
ssl.enabled.protocols list per-broker
ssl.endpoint.identification.algorithm string per-broker
ssl.engine.factory.class class per-broker
ssl.key.password password per-broker
ssl.keymanager.algorithm string per-broker
ssl.keystore.certificate.chain password per-broker
ssl.keystore.key password per-broker
ssl.keystore.location string per-broker
ssl.keystore.password password per-broker
ssl.keystore.type string per-broker
ssl.principal.mapping.rules string
ssl.protocol string per-broker
ssl.provider string per-broker
ssl.secure.random.implementation string per-broker
ssl.trustmanager.algorithm string per-broker
ssl.truststore.certificates password per-broker
ssl.truststore.location string per-broker
ssl.truststore.password password per-broker
ssl.truststore.type string per-broker
telemetry.max.bytes int
transaction.abort.timed.out.transaction.cleanup.interval.ms int
transaction.max.timeout.ms int
transaction.partition.verification.enable boolean cluster-wide
transaction.remove.expired.transaction.cleanup.interval.ms int
transaction.state.log.load.buffer.size int
transaction.state.log.min.isr int
transaction.state.log.num.partitions int
transaction.state.log.replication.factor short
transaction.state.log.segment.bytes int
transaction.two.phase.commit.enable boolean
transactional.id.expiration.ms int
unclean.leader.election.enable boolean cluster-wide
`);
