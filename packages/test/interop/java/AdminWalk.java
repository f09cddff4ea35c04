import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Calls every method of Admin, on a single broker without security. */
public class AdminWalk {
    private static final String TOPIC = "admin-walk";
    private static final TopicPartition ZERO = new TopicPartition(TOPIC, 0);
    private static final TopicPartition ONE = new TopicPartition(TOPIC, 1);
    private static final ConfigResource CONFIG = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
    private static final int EACH = 10;
    private static final int NOBODY = 4711;
    private final Walk walk;
    private final Admin admin;
    private int node;

    private AdminWalk(Walk walk, Admin admin) {
        this.walk = walk;
        this.admin = admin;
    }

    public static void main(String[] args) throws Exception {
        Walk walk = new Walk(args[0]);
        Admin admin = Admin.create(walk.settings(Map.of("enable.metrics.push", true)));
        AdminWalk all = new AdminWalk(walk, admin);
        all.node = admin.describeCluster().nodes().get().iterator().next().id();
        all.topics();
        all.write();
        all.configs();
        all.records();
        all.groups();
        all.directories();
        all.partitions();
        all.quotas();
        all.security();
        all.cluster();
        all.producers();
        all.shareGroups();
        all.streamsGroups();
        all.rest();
        walk.check("deleteTopics", () -> {
            admin.deleteTopics(List.of(TOPIC)).all().get();
            Walk.until("gone", () -> admin.listTopics().names().get().contains(TOPIC), there -> !there);
            Walk.refused(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(List.of(TOPIC)).all().get());
        });
        walk.check("close", () -> admin.close(Duration.ofSeconds(5)));
        walk.check("every method of Admin has a check", () -> {
            Set<String> left = Arrays.stream(Admin.class.getMethods())
                    .filter(method -> !method.isAnnotationPresent(Deprecated.class))
                    .map(method -> method.getName()).collect(Collectors.toCollection(TreeSet::new));
            left.removeAll(walk.tried);
            left.remove("create");
            Walk.equal("methods without", left, Set.of());
        });
    }

    private void topics() {
        walk.check("createTopics", () -> {
            NewTopic topic = new NewTopic(TOPIC, 2, (short) 1).configs(Map.of("retention.ms", "3600000"));
            CreateTopicsResult created = admin.createTopics(List.of(topic));
            created.all().get();
            Walk.equal("partitions", created.numPartitions(TOPIC).get(), 2);
            Walk.equal("replication factor", created.replicationFactor(TOPIC).get(), 1);
            Walk.equal("retention", created.config(TOPIC).get().get("retention.ms").value(), "3600000");
            Walk.refused(TopicExistsException.class, () -> admin.createTopics(List.of(topic)).all().get());
        });
        walk.check("createTopics with defaults", () -> {
            NewTopic topic = new NewTopic("defaults", Optional.empty(), Optional.empty());
            Walk.equal("partitions", admin.createTopics(List.of(topic)).numPartitions("defaults").get(), 1);
        });
        walk.check("createTopics with a replica assignment", () -> {
            NewTopic topic = new NewTopic("assigned", Map.of(0, List.of(node), 1, List.of(node)));
            Walk.equal("partitions", admin.createTopics(List.of(topic)).numPartitions("assigned").get(), 2);
        });
        walk.check("createTopics only to validate", () -> {
            CreateTopicsOptions only = new CreateTopicsOptions().validateOnly(true);
            admin.createTopics(List.of(new NewTopic("validated", 1, (short) 1)), only).all().get();
            Walk.need(!admin.listTopics().names().get().contains("validated"), "nothing was created");
        });
        walk.check("createTopics refuses what is wrong", () -> {
            Walk.refused(InvalidReplicationFactorException.class, () -> create(new NewTopic("wrong", 1, (short) 3)));
            Walk.refused(InvalidPartitionsException.class, () -> create(new NewTopic("wrong", 0, (short) 1)));
            Walk.refused(InvalidTopicException.class, () -> create(new NewTopic("wr/ong", 1, (short) 1)));
            NewTopic config = new NewTopic("wrong", 1, (short) 1).configs(Map.of("retention.ms", "soon"));
            Walk.refused(InvalidConfigurationException.class, () -> create(config));
            NewTopic replicas = new NewTopic("wrong", Map.of(0, List.of(NOBODY)));
            Walk.refused(InvalidReplicaAssignmentException.class, () -> create(replicas));
        });
        walk.check("listTopics", () -> {
            Set<String> names = admin.listTopics().names().get();
            Walk.need(names.containsAll(Set.of(TOPIC, "defaults", "assigned")), "all topics are there: " + names);
        });
        walk.check("describeTopics", () -> {
            TopicDescription found = admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC);
            Walk.equal("partitions", found.partitions().size(), 2);
            Walk.equal("leader", found.partitions().get(0).leader().id(), node);
            Walk.equal("in sync", found.partitions().get(1).isr().size(), 1);
            TopicCollection byId = TopicCollection.ofTopicIds(List.of(found.topicId()));
            Walk.equal("by id", admin.describeTopics(byId).allTopicIds().get().get(found.topicId()).name(), TOPIC);
            Walk.refused(UnknownTopicOrPartitionException.class,
                    () -> admin.describeTopics(List.of("nowhere")).allTopicNames().get());
        });
        walk.check("createPartitions", () -> {
            admin.createPartitions(Map.of("defaults", NewPartitions.increaseTo(3))).all().get();
            Walk.until("three", () -> admin.describeTopics(List.of("defaults")).allTopicNames().get().get("defaults")
                    .partitions().size(), size -> size == 3);
            Walk.refused(InvalidPartitionsException.class,
                    () -> admin.createPartitions(Map.of("defaults", NewPartitions.increaseTo(2))).all().get());
        });
    }

    private void create(NewTopic topic) throws Exception {
        admin.createTopics(List.of(topic)).all().get();
    }

    private void write() {
        StringSerializer strings = new StringSerializer();
        try (Producer<String, String> producer = new KafkaProducer<>(walk.settings(Map.of()), strings, strings)) {
            for (int i = 0; i < EACH; i++) {
                producer.send(new ProducerRecord<>(TOPIC, 0, i * 1000L, "k", "v" + i));
                producer.send(new ProducerRecord<>(TOPIC, 1, i * 1000L, "k", "v" + i));
            }
        }
    }

    private String config(String name) throws Exception {
        return admin.describeConfigs(List.of(CONFIG)).all().get().get(CONFIG).get(name).value();
    }

    private void alter(ConfigResource resource, String name, String value, AlterConfigOp.OpType how) throws Exception {
        Collection<AlterConfigOp> ops = List.of(new AlterConfigOp(new ConfigEntry(name, value), how));
        admin.incrementalAlterConfigs(Map.of(resource, ops)).all().get();
    }

    private void configs() {
        walk.check("describeConfigs of a topic", () -> {
            Config config = admin.describeConfigs(List.of(CONFIG)).all().get().get(CONFIG);
            Walk.equal("retention", config.get("retention.ms").value(), "3600000");
            Walk.equal("source", config.get("retention.ms").source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
            Walk.equal("source of a default", config.get("segment.ms").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG);
            Walk.equal("type", config.get("segment.ms").type(), ConfigEntry.ConfigType.LONG);
        });
        walk.check("describeConfigs with synonyms and documentation", () -> {
            DescribeConfigsOptions full = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
            ConfigEntry entry = admin.describeConfigs(List.of(CONFIG), full).all().get().get(CONFIG).get("retention.ms");
            Walk.equal("first synonym", entry.synonyms().get(0).value(), "3600000");
            Walk.need(entry.documentation() != null && !entry.documentation().isEmpty(), "there is documentation");
        });
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(node));
        walk.check("describeConfigs of a broker", () -> {
            Config config = admin.describeConfigs(List.of(broker)).all().get().get(broker);
            Walk.need(config.get("log.dirs").value() != null, "it tells log.dirs");
            Walk.need(config.get("node.id").isReadOnly(), "node.id is read-only");
        });
        walk.check("describeConfigs of a topic that is not there is refused", () -> {
            ConfigResource nowhere = new ConfigResource(ConfigResource.Type.TOPIC, "nowhere");
            Walk.refused(UnknownTopicOrPartitionException.class, () -> admin.describeConfigs(List.of(nowhere)).all().get());
        });
        walk.check("incrementalAlterConfigs of a topic", () -> {
            alter(CONFIG, "retention.ms", "7200000", AlterConfigOp.OpType.SET);
            Walk.until("set", () -> config("retention.ms"), "7200000"::equals);
            alter(CONFIG, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
            Walk.until("appended", () -> config("cleanup.policy"), "delete,compact"::equals);
            alter(CONFIG, "cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT);
            Walk.until("subtracted", () -> config("cleanup.policy"), "delete"::equals);
            alter(CONFIG, "retention.ms", null, AlterConfigOp.OpType.DELETE);
            Walk.until("deleted", () -> config("retention.ms"), "604800000"::equals);
        });
        walk.check("incrementalAlterConfigs refuses what is wrong", () -> {
            Walk.refused(InvalidConfigurationException.class,
                    () -> alter(CONFIG, "retention.ms", "soon", AlterConfigOp.OpType.SET));
            Walk.refused(InvalidConfigurationException.class,
                    () -> alter(CONFIG, "no.such.setting", "1", AlterConfigOp.OpType.SET));
        });
        walk.check("incrementalAlterConfigs of a broker", () -> {
            alter(broker, "log.cleaner.threads", "2", AlterConfigOp.OpType.SET);
            Walk.until("set", () -> admin.describeConfigs(List.of(broker)).all().get().get(broker)
                    .get("log.cleaner.threads").value(), "2"::equals);
            Walk.refused(InvalidRequestException.class, () -> alter(broker, "node.id", "5", AlterConfigOp.OpType.SET));
        });
        walk.check("listConfigResources", () -> {
            Set<ConfigResource.Type> types = Set.of(ConfigResource.Type.TOPIC);
            Collection<ConfigResource> found = admin.listConfigResources(types, new ListConfigResourcesOptions()).all().get();
            Walk.need(found.contains(CONFIG), "the topic is listed: " + found);
        });
        walk.check("listClientMetricsResources", () -> {
            ConfigResource metrics = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "walk");
            alter(metrics, "interval.ms", "1000", AlterConfigOp.OpType.SET);
            Walk.until("listed", () -> admin.listClientMetricsResources().all().get().size(), size -> size == 1);
        });
    }

    private long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private void records() {
        walk.check("listOffsets", () -> {
            Walk.equal("earliest", offset(ZERO, OffsetSpec.earliest()), 0L);
            Walk.equal("latest", offset(ZERO, OffsetSpec.latest()), (long) EACH);
            Walk.equal("by time", offset(ZERO, OffsetSpec.forTimestamp(3500)), 4L);
            Walk.equal("after all", offset(ZERO, OffsetSpec.forTimestamp(99_999_999L)), -1L);
            Walk.equal("of the largest time", offset(ZERO, OffsetSpec.maxTimestamp()), (long) EACH - 1);
            Walk.equal("earliest local", offset(ZERO, OffsetSpec.earliestLocal()), 0L);
            Walk.equal("latest tiered", offset(ZERO, OffsetSpec.latestTiered()), -1L);
            Walk.refused(UnknownTopicOrPartitionException.class,
                    () -> offset(new TopicPartition("nowhere", 0), OffsetSpec.latest()));
        });
        walk.check("deleteRecords", () -> {
            Map<TopicPartition, RecordsToDelete> some = Map.of(ONE, RecordsToDelete.beforeOffset(4));
            Walk.equal("low watermark", admin.deleteRecords(some).lowWatermarks().get(ONE).get().lowWatermark(), 4L);
            Walk.equal("earliest", offset(ONE, OffsetSpec.earliest()), 4L);
            admin.deleteRecords(Map.of(ONE, RecordsToDelete.beforeOffset(-1))).all().get();
            Walk.equal("earliest", offset(ONE, OffsetSpec.earliest()), (long) EACH);
            Walk.refused(OffsetOutOfRangeException.class,
                    () -> admin.deleteRecords(Map.of(ONE, RecordsToDelete.beforeOffset(1000))).all().get());
        });
    }

    private Consumer<String, String> member(String group, String instance) {
        Map<String, Object> settings = new HashMap<>(walk.settings(Map.of("group.id", group)));
        settings.put("enable.auto.commit", false);
        if (instance != null) settings.put("group.instance.id", instance);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private void join(Consumer<String, String> consumer) throws Exception {
        consumer.subscribe(List.of(TOPIC));
        Walk.until("assigned", () -> {
            consumer.poll(Duration.ofMillis(50));
            return consumer.assignment().size();
        }, size -> size == 2);
        consumer.commitSync(Map.of(ZERO, new OffsetAndMetadata(3), ONE, new OffsetAndMetadata(EACH)));
    }

    private void groups() {
        try (Consumer<String, String> consumer = member("admin-group", null)) {
            walk.check("(a member joins)", () -> join(consumer));
            walk.check("listGroups", () -> {
                Collection<GroupListing> found = admin.listGroups().all().get();
                GroupListing group = found.stream().filter(one -> one.groupId().equals("admin-group")).findFirst().get();
                Walk.equal("type", group.type(), Optional.of(GroupType.CLASSIC));
                Walk.equal("protocol", group.protocol(), "consumer");
            });
            walk.check("listConsumerGroups", () -> {
                ListGroupsOptions stable = ListGroupsOptions.forConsumerGroups().inGroupStates(Set.of(GroupState.STABLE));
                Walk.equal("stable", admin.listGroups(stable).all().get().size(), 1);
                Walk.equal("all", admin.listConsumerGroups().all().get().size(), 1);
            });
            walk.check("describeConsumerGroups", () -> {
                ConsumerGroupDescription group = admin.describeConsumerGroups(List.of("admin-group")).all().get().get("admin-group");
                Walk.equal("state", group.groupState(), GroupState.STABLE);
                Walk.equal("assignor", group.partitionAssignor(), "range");
                MemberDescription one = group.members().iterator().next();
                Walk.equal("assignment", one.assignment().topicPartitions(), Set.of(ZERO, ONE));
                Walk.equal("coordinator", group.coordinator().id(), node);
                Walk.refused(GroupIdNotFoundException.class, () -> admin.describeConsumerGroups(List.of("no-group")).all().get());
            });
            walk.check("describeClassicGroups", () -> {
                ClassicGroupDescription group = admin.describeClassicGroups(List.of("admin-group")).all().get().get("admin-group");
                Walk.equal("protocol", group.protocol(), "consumer");
                Walk.equal("members", group.members().size(), 1);
            });
            walk.check("deleteConsumerGroups refuses a group with members", () -> Walk.refused(
                    GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of("admin-group")).all().get()));
            walk.check("deleteConsumerGroupOffsets refuses a topic in use", () -> Walk.refused(
                    GroupSubscribedToTopicException.class,
                    () -> admin.deleteConsumerGroupOffsets("admin-group", Set.of(ZERO)).all().get()));
            walk.check("alterConsumerGroupOffsets refuses a group with members", () -> Walk.refused(
                    UnknownMemberIdException.class,
                    () -> admin.alterConsumerGroupOffsets("admin-group", Map.of(ZERO, new OffsetAndMetadata(1))).all().get()));
        }
        walk.check("listConsumerGroupOffsets", () -> {
            Map<TopicPartition, OffsetAndMetadata> found =
                    admin.listConsumerGroupOffsets("admin-group").partitionsToOffsetAndMetadata().get();
            Walk.equal("offset", found.get(ZERO).offset(), 3L);
            Walk.equal("partitions", found.size(), 2);
        });
        walk.check("alterConsumerGroupOffsets", () -> {
            admin.alterConsumerGroupOffsets("admin-group", Map.of(ZERO, new OffsetAndMetadata(7))).all().get();
            Walk.equal("offset", admin.listConsumerGroupOffsets("admin-group").partitionsToOffsetAndMetadata().get()
                    .get(ZERO).offset(), 7L);
        });
        walk.check("deleteConsumerGroupOffsets", () -> {
            admin.deleteConsumerGroupOffsets("admin-group", Set.of(ZERO)).all().get();
            Walk.equal("left", admin.listConsumerGroupOffsets("admin-group").partitionsToOffsetAndMetadata().get().keySet(), Set.of(ONE));
        });
        walk.check("removeMembersFromConsumerGroup", () -> {
            try (Consumer<String, String> consumer = member("static-group", "one")) {
                join(consumer);
                Set<MemberToRemove> one = Set.of(new MemberToRemove("one"));
                admin.removeMembersFromConsumerGroup("static-group", new RemoveMembersFromConsumerGroupOptions(one)).all().get();
                Walk.until("empty", () -> admin.describeConsumerGroups(List.of("static-group")).all().get()
                        .get("static-group").members().size(), size -> size == 0);
            }
        });
        walk.check("deleteConsumerGroups", () -> {
            admin.deleteConsumerGroups(List.of("admin-group")).all().get();
            Walk.refused(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of("admin-group")).all().get());
        });
    }

    private void directories() {
        TopicPartitionReplica replica = new TopicPartitionReplica(TOPIC, 0, node);
        walk.check("describeLogDirs", () -> {
            Map<String, LogDirDescription> found = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
            LogDirDescription one = found.values().iterator().next();
            Walk.equal("error", one.error(), null);
            Walk.need(one.replicaInfos().get(ZERO).size() > 0, "the replica has a size");
            Walk.equal("lag", one.replicaInfos().get(ZERO).offsetLag(), 0L);
            Walk.need(one.totalBytes().getAsLong() > one.usableBytes().getAsLong(), "the volume is told");
        });
        walk.check("describeReplicaLogDirs", () -> Walk.need(admin.describeReplicaLogDirs(List.of(replica)).all().get()
                .get(replica).getCurrentReplicaLogDir() != null, "it is somewhere"));
        walk.check("alterReplicaLogDirs", () -> {
            String here = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).keySet().iterator().next();
            admin.alterReplicaLogDirs(Map.of(replica, here)).all().get();
            Walk.refused(LogDirNotFoundException.class,
                    () -> admin.alterReplicaLogDirs(Map.of(replica, "/no/such/directory")).all().get());
        });
    }

    private void partitions() {
        walk.check("electLeaders", () -> {
            Map<TopicPartition, Optional<Throwable>> found =
                    admin.electLeaders(ElectionType.PREFERRED, Set.of(ZERO)).partitions().get();
            Walk.need(found.get(ZERO).get() instanceof ElectionNotNeededException, "not needed: " + found);
            TopicPartition nowhere = new TopicPartition("nowhere", 0);
            found = admin.electLeaders(ElectionType.UNCLEAN, Set.of(nowhere)).partitions().get();
            Walk.need(found.get(nowhere).get() instanceof UnknownTopicOrPartitionException, "unknown: " + found);
        });
        walk.check("alterPartitionReassignments", () -> {
            Optional<NewPartitionReassignment> same = Optional.of(new NewPartitionReassignment(List.of(node)));
            admin.alterPartitionReassignments(Map.of(ZERO, same)).all().get();
            Optional<NewPartitionReassignment> other = Optional.of(new NewPartitionReassignment(List.of(NOBODY)));
            Walk.refused(InvalidReplicaAssignmentException.class,
                    () -> admin.alterPartitionReassignments(Map.of(ZERO, other)).all().get());
            Walk.refused(NoReassignmentInProgressException.class,
                    () -> admin.alterPartitionReassignments(Map.of(ZERO, Optional.empty())).all().get());
        });
        walk.check("listPartitionReassignments",
                () -> Walk.equal("under way", admin.listPartitionReassignments().reassignments().get(), Map.of()));
    }

    private void quotas() {
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, "walk"));
        walk.check("alterClientQuotas", () -> {
            ClientQuotaAlteration.Op rate = new ClientQuotaAlteration.Op("producer_byte_rate", 1_000_000.0);
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(rate)))).all().get();
            ClientQuotaAlteration.Op wrong = new ClientQuotaAlteration.Op("no_such_rate", 1.0);
            Walk.refused(InvalidRequestException.class,
                    () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(wrong)))).all().get());
        });
        walk.check("describeClientQuotas", () -> Walk.until("told", () -> admin.describeClientQuotas(ClientQuotaFilter.all())
                .entities().get(), found -> found.equals(Map.of(entity, Map.of("producer_byte_rate", 1_000_000.0)))));
    }

    private void security() {
        AccessControlEntry entry = new AccessControlEntry("User:walk", "*", AclOperation.READ, AclPermissionType.ALLOW);
        AclBinding acl = new AclBinding(new ResourcePattern(ResourceType.TOPIC, TOPIC, PatternType.LITERAL), entry);
        walk.check("createAcls is refused without an authorizer",
                () -> Walk.refused(SecurityDisabledException.class, () -> admin.createAcls(List.of(acl)).all().get()));
        walk.check("describeAcls is refused without an authorizer",
                () -> Walk.refused(SecurityDisabledException.class, () -> admin.describeAcls(AclBindingFilter.ANY).values().get()));
        walk.check("deleteAcls is refused without an authorizer",
                () -> Walk.refused(SecurityDisabledException.class, () -> admin.deleteAcls(List.of(AclBindingFilter.ANY)).all().get()));
        byte[] hmac = {1, 2, 3};
        walk.check("createDelegationToken is refused on a plain connection",
                () -> Walk.refused(UnsupportedByAuthenticationException.class,
                        () -> admin.createDelegationToken().delegationToken().get()));
        walk.check("renewDelegationToken is refused on a plain connection",
                () -> Walk.refused(UnsupportedByAuthenticationException.class,
                        () -> admin.renewDelegationToken(hmac).expiryTimestamp().get()));
        walk.check("expireDelegationToken is refused on a plain connection",
                () -> Walk.refused(UnsupportedByAuthenticationException.class,
                        () -> admin.expireDelegationToken(hmac).expiryTimestamp().get()));
        walk.check("describeDelegationToken is refused on a plain connection",
                () -> Walk.refused(UnsupportedByAuthenticationException.class,
                        () -> admin.describeDelegationToken().delegationTokens().get()));
        walk.check("alterUserScramCredentials", () -> {
            ScramCredentialInfo info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("walk", info, "secret"))).all().get();
            UserScramCredentialDeletion nobody = new UserScramCredentialDeletion("nobody", ScramMechanism.SCRAM_SHA_512);
            Walk.refused(ResourceNotFoundException.class, () -> admin.alterUserScramCredentials(List.of(nobody)).all().get());
        });
        walk.check("describeUserScramCredentials", () -> Walk.equal("iterations", Walk.until("told",
                () -> admin.describeUserScramCredentials().all().get(), found -> found.containsKey("walk"))
                .get("walk").credentialInfos().get(0).iterations(), 4096));
    }

    private void cluster() {
        walk.check("describeCluster", () -> {
            DescribeClusterResult found = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            Walk.equal("nodes", found.nodes().get().size(), 1);
            Walk.equal("controller", found.controller().get().id(), node);
            Walk.need(!found.clusterId().get().isEmpty(), "there is a cluster id");
        });
        walk.check("describeFeatures", () -> {
            FeatureMetadata found = admin.describeFeatures().featureMetadata().get();
            Walk.need(found.finalizedFeatures().get("metadata.version").maxVersionLevel() > 20, "metadata.version is told");
            Walk.need(found.supportedFeatures().containsKey("group.version"), "group.version is supported");
        });
        walk.check("updateFeatures", () -> {
            short now = admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("metadata.version").maxVersionLevel();
            UpdateFeaturesOptions only = new UpdateFeaturesOptions().validateOnly(true);
            FeatureUpdate same = new FeatureUpdate(now, FeatureUpdate.UpgradeType.UPGRADE);
            admin.updateFeatures(Map.of("metadata.version", same), only).all().get();
            FeatureUpdate beyond = new FeatureUpdate((short) 1000, FeatureUpdate.UpgradeType.UPGRADE);
            Walk.refused(InvalidUpdateVersionException.class,
                    () -> admin.updateFeatures(Map.of("metadata.version", beyond), only).all().get());
        });
        walk.check("describeMetadataQuorum", () -> {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            Walk.equal("leader", quorum.leaderId(), node);
            Walk.equal("voters", quorum.voters().size(), 1);
            Walk.need(quorum.highWatermark() > 0, "there is a high watermark");
        });
        walk.check("unregisterBroker", () -> Walk.refused(BrokerIdNotRegisteredException.class,
                () -> admin.unregisterBroker(NOBODY).all().get()));
        walk.check("unregisterController", () -> Walk.refused(ApiException.class,
                () -> admin.unregisterController(NOBODY, new UnregisterControllerOptions()).all().get()));
        RaftVoterEndpoint endpoint = new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 1);
        walk.check("addRaftVoter", () -> Walk.refused(ApiException.class,
                () -> admin.addRaftVoter(NOBODY, Uuid.randomUuid(), Set.of(endpoint)).all().get()));
        walk.check("removeRaftVoter", () -> Walk.refused(ApiException.class,
                () -> admin.removeRaftVoter(NOBODY, Uuid.randomUuid()).all().get()));
    }

    private void producers() {
        walk.check("describeProducers", () -> {
            DescribeProducersResult.PartitionProducerState found =
                    admin.describeProducers(List.of(ZERO)).partitionResult(ZERO).get();
            Walk.equal("producers", found.activeProducers().size(), 1);
            Walk.equal("last sequence", found.activeProducers().get(0).lastSequence(), EACH - 1);
        });
        Map<String, Object> settings = new HashMap<>(walk.settings(Map.of("transactional.id", "admin-walk")));
        settings.put("max.block.ms", 8_000);
        StringSerializer strings = new StringSerializer();
        walk.check("describeTransactions", () -> {
            try (Producer<String, String> producer = new KafkaProducer<>(settings, strings, strings)) {
                producer.initTransactions();
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(TOPIC, 1, "k", "v")).get();
                TransactionDescription found = admin.describeTransactions(List.of("admin-walk")).all().get().get("admin-walk");
                Walk.equal("state", found.state(), TransactionState.ONGOING);
                Walk.equal("partitions", found.topicPartitions(), Set.of(ONE));
            }
        });
        walk.check("listTransactions", () -> Walk.need(admin.listTransactions().all().get().stream()
                .anyMatch(one -> one.transactionalId().equals("admin-walk")), "the transaction is listed"));
        walk.check("abortTransaction", () -> {
            // The marker is written even if the partition does not know the producer.
            admin.abortTransaction(new AbortTransactionSpec(ZERO, 987_654L, (short) 0, 0)).all().get();
        });
        walk.check("fenceProducers", () -> admin.fenceProducers(List.of("admin-walk")).all().get());
        walk.check("forceTerminateTransaction", () -> admin.forceTerminateTransaction("admin-walk").result().get());
    }

    private void shareGroups() {
        walk.check("describeShareGroups", () -> Walk.refused(GroupIdNotFoundException.class,
                () -> admin.describeShareGroups(List.of("no-share")).all().get()));
        walk.check("alterShareGroupOffsets",
                () -> admin.alterShareGroupOffsets("share", Map.of(ZERO, 2L)).all().get());
        walk.check("listShareGroupOffsets", () -> Walk.equal("start", admin.listShareGroupOffsets(
                Map.of("share", new ListShareGroupOffsetsSpec())).all().get().get("share").get(ZERO).startOffset(), 2L));
        walk.check("deleteShareGroupOffsets",
                () -> admin.deleteShareGroupOffsets("share", Set.of(TOPIC)).all().get());
        walk.check("deleteShareGroups", () -> {
            admin.deleteShareGroups(List.of("share")).all().get();
            Walk.refused(GroupIdNotFoundException.class, () -> admin.deleteShareGroups(List.of("share")).all().get());
        });
    }

    private void streamsGroups() {
        walk.check("describeStreamsGroups", () -> Walk.refused(GroupIdNotFoundException.class,
                () -> admin.describeStreamsGroups(List.of("no-streams")).all().get()));
        walk.check("listStreamsGroupOffsets", () -> Walk.equal("offsets", admin.listStreamsGroupOffsets(
                Map.of("no-streams", new ListStreamsGroupOffsetsSpec())).all().get().get("no-streams"), Map.of()));
        walk.check("alterStreamsGroupOffsets", () -> {
            admin.alterStreamsGroupOffsets("streams", Map.of(ZERO, new OffsetAndMetadata(2))).all().get();
            Walk.equal("offsets", admin.listStreamsGroupOffsets(Map.of("streams", new ListStreamsGroupOffsetsSpec()))
                    .all().get().get("streams").keySet(), Set.of(ZERO));
        });
        walk.check("deleteStreamsGroupOffsets", () -> admin.deleteStreamsGroupOffsets("streams", Set.of(ZERO)).all().get());
        walk.check("deleteStreamsGroups", () -> Walk.refused(GroupIdNotFoundException.class,
                () -> admin.deleteStreamsGroups(List.of("no-streams")).all().get()));
    }

    private void rest() {
        // Null if the broker has no plugin that receives metrics; an exception would mean that there was no answer.
        walk.check("clientInstanceId", () -> admin.clientInstanceId(Duration.ofSeconds(8)));
        walk.check("metrics", () -> Walk.need(!admin.metrics().isEmpty(), "there are metrics"));
        walk.check("registerMetricForSubscription", () -> admin.registerMetricForSubscription(
                (org.apache.kafka.common.metrics.KafkaMetric) admin.metrics().values().iterator().next()));
        walk.check("unregisterMetricFromSubscription", () -> admin.unregisterMetricFromSubscription(
                (org.apache.kafka.common.metrics.KafkaMetric) admin.metrics().values().iterator().next()));
    }
}
