import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.ShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RecordDeserializationException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.IntegerDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Plays scenes of share groups with Kafka's share consumer, and tells what it has seen in each, for a comparison of two
 * brokers. A scene has a topic and a group of the same name, and a topic for dead letters with the name after "dlq.".
 */
public class ShareWalk {
    private static final String EXPLICIT = "explicit";
    private static final String IMPLICIT = "implicit";
    private static final String LOCK = "share.record.lock.duration.ms";
    private static final String LIMIT = "share.delivery.count.limit";
    private static final String LOCKS = "share.partition.max.record.locks";
    private static final String RENEWS = "share.renew.acknowledge.enable";
    private static final String QUEUE = "errors.deadletterqueue.topic.name";
    private static final String COPIES = "errors.deadletterqueue.copy.record.enable";
    private static final String ENABLED = "errors.deadletterqueue.group.enable";
    /** Lock of records in scenes that wait for its end. */
    private static final long LOCK_MS = 4000;
    /** Longest wait for what must come. */
    private static final long WAIT_MS = 25_000;
    /** Time in which nothing should come. */
    private static final long QUIET_MS = 1500;
    private final Walk walk;
    private final Admin admin;

    private ShareWalk(Walk walk, Admin admin) {
        this.walk = walk;
        this.admin = admin;
    }

    public static void main(String[] args) throws Exception {
        Walk walk = new Walk(args[0]);
        try (Admin admin = Admin.create(walk.settings(Map.of()))) {
            ShareWalk shares = new ShareWalk(walk, admin);
            walk.check("feature share.version", () -> walk.saw(
                    admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("share.version")));
            shares.deadLetters();
            shares.unreadable();
            shares.limits();
            shares.locks();
            shares.renewals();
            shares.recordLocks();
            shares.settings();
        }
    }

    // Steps of scenes

    private void topic(String name, int partitions, Map<String, String> settings) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(settings))).all().get();
    }

    /** Error of a change of a group's settings; "accepted" if there is none. */
    private String set(String group, String setting, String value, boolean isTried) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        AlterConfigOp op = new AlterConfigOp(new ConfigEntry(setting, value), AlterConfigOp.OpType.SET);
        AlterConfigsOptions options = new AlterConfigsOptions().validateOnly(isTried);
        try {
            admin.incrementalAlterConfigs(Map.of(resource, List.of(op)), options).all().get();
            return "accepted";
        } catch (Exception e) {
            return told(e.getCause());
        }
    }

    private void group(String name, Map<String, String> settings) throws Exception {
        Walk.equal("reset", set(name, "share.auto.offset.reset", "earliest", false), "accepted");
        for (Map.Entry<String, String> one : settings.entrySet()) {
            Walk.equal(one.getKey(), set(name, one.getKey(), one.getValue(), false), "accepted");
        }
    }

    private void scene(String name, int partitions, Map<String, String> settings) throws Exception {
        topic(name, partitions, Map.of());
        group(name, settings);
    }

    /** A scene with a topic of two partitions for dead letters. */
    private void deadly(String name, int partitions, Map<String, String> settings) throws Exception {
        topic("dlq." + name, 2, Map.of(ENABLED, "true"));
        Map<String, String> all = new HashMap<>(settings);
        all.put(QUEUE, "dlq." + name);
        scene(name, partitions, all);
    }

    private static ProducerRecord<String, String> record(String topic, int partition, String key, String value,
            String... headers) {
        List<Header> all = new ArrayList<>();
        for (String header : headers) {
            all.add(new RecordHeader(header, header.equals("null") ? null : header.getBytes()));
        }
        return new ProducerRecord<>(topic, partition, key, value, all);
    }

    /** Sends records so that those of a partition are one batch. */
    private void send(List<ProducerRecord<String, String>> records) throws Exception {
        StringSerializer strings = new StringSerializer();
        Map<String, Object> settings = walk.settings(Map.of("linger.ms", 60_000, "batch.size", 1 << 20,
                "delivery.timeout.ms", 120_000));
        try (Producer<String, String> producer = new KafkaProducer<>(settings, strings, strings)) {
            List<java.util.concurrent.Future<?>> sent = new ArrayList<>();
            for (ProducerRecord<String, String> record : records) sent.add(producer.send(record));
            producer.flush();
            for (java.util.concurrent.Future<?> one : sent) one.get();
        }
    }

    private void send(String topic, String... values) throws Exception {
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        for (String value : values) records.add(record(topic, 0, "key of " + value, value));
        send(records);
    }

    private static String[] numbers(int count) {
        return IntStream.range(0, count).mapToObj(String::valueOf).toArray(String[]::new);
    }

    private <V> ShareConsumer<String, V> member(String group, String mode, Map<String, Object> more,
            Deserializer<V> values) {
        Map<String, Object> settings = walk.settings(more);
        settings.put("group.id", group);
        settings.put("share.acknowledgement.mode", mode);
        ShareConsumer<String, V> consumer = new KafkaShareConsumer<>(settings, new StringDeserializer(), values);
        consumer.subscribe(List.of(group));
        return consumer;
    }

    private ShareConsumer<String, String> member(String group, String mode, Map<String, Object> more) {
        return member(group, mode, more, new StringDeserializer());
    }

    private ShareConsumer<String, String> member(String group, String mode) {
        return member(group, mode, Map.of());
    }

    /** Polls once: a client that polls again at the moment of an answer fetches more than it was asked for. */
    private static <V> List<ConsumerRecord<String, V>> poll(ShareConsumer<String, V> consumer, long ms) {
        List<ConsumerRecord<String, V>> found = new ArrayList<>();
        consumer.poll(Duration.ofMillis(ms)).forEach(found::add);
        return found;
    }

    /** The next records, from one fetch. */
    private static <V> List<ConsumerRecord<String, V>> next(ShareConsumer<String, V> consumer) {
        List<ConsumerRecord<String, V>> found = poll(consumer, WAIT_MS);
        if (found.isEmpty()) throw new AssertionError("no record came");
        return found;
    }

    private static <V> void acknowledge(ShareConsumer<String, V> consumer, List<ConsumerRecord<String, V>> records,
            AcknowledgeType type) {
        for (ConsumerRecord<String, V> record : records) consumer.acknowledge(record, type);
    }

    /** Number of records that the group is not done with; -1 as long as it has not read all partitions. */
    private long lag(String group, int partitions) throws Exception {
        Map<TopicPartition, SharePartitionOffsetInfo> found = admin.listShareGroupOffsets(
                Map.of(group, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(group).get();
        if (found.size() < partitions) return -1;
        long sum = 0;
        for (SharePartitionOffsetInfo one : found.values()) {
            if (one == null || one.lag().isEmpty()) return -1;
            sum += one.lag().get();
        }
        return sum;
    }

    private void done(String group, int partitions) throws Exception {
        Walk.until("lag", () -> lag(group, partitions), lag -> lag == 0);
    }

    /** Gives each record the verdict in its headers, ACCEPT without one, until the group is done with all of them. */
    private void judge(String group, int partitions) throws Exception {
        TreeSet<String> deliveries = new TreeSet<>();
        try (ShareConsumer<String, String> consumer = member(group, EXPLICIT)) {
            long end = System.currentTimeMillis() + WAIT_MS;
            while (lag(group, partitions) != 0) {
                if (System.currentTimeMillis() > end) throw new AssertionError("the lag is " + lag(group, partitions));
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    Header verdict = record.headers().lastHeader("verdict");
                    AcknowledgeType type = verdict == null
                            ? AcknowledgeType.ACCEPT : AcknowledgeType.valueOf(new String(verdict.value()));
                    deliveries.add(record.partition() + "/" + shown(record) + " " + type);
                    consumer.acknowledge(record, type);
                }
                acknowledged(consumer.commitSync());
            }
        }
        deliveries.forEach(walk::saw);
    }

    /** Releases all records, as often as they come, until the group is done with them. */
    private void releaseAll(ShareConsumer<String, String> consumer, String group) throws Exception {
        long end = System.currentTimeMillis() + 2 * WAIT_MS;
        while (lag(group, 1) != 0) {
            if (System.currentTimeMillis() > end) throw new AssertionError("the lag is " + lag(group, 1));
            List<ConsumerRecord<String, String>> found = poll(consumer, 3000);
            if (!found.isEmpty()) walk.saw(runs(found));
            acknowledge(consumer, found, AcknowledgeType.RELEASE);
            acknowledged(consumer.commitSync());
        }
    }

    private static void acknowledged(Map<TopicIdPartition, ?> outcome) {
        outcome.values().forEach(one -> Walk.equal("outcome", one, java.util.Optional.empty()));
    }

    // What is seen

    private static String told(Throwable error) {
        return error == null ? "no error" : error.getClass().getSimpleName() + ": " + error.getMessage();
    }

    private static String outcome(Map<TopicIdPartition, java.util.Optional<KafkaException>> outcome) {
        return outcome.entrySet().stream()
                .map(one -> one.getKey().partition() + " " + told(one.getValue().orElse(null)))
                .sorted().collect(Collectors.joining(", "));
    }

    private static String shown(ConsumerRecord<?, ?> record) {
        return record.offset() + " x" + record.deliveryCount().orElseThrow();
    }

    private static <V> String shown(List<ConsumerRecord<String, V>> records) {
        return records.stream().map(ShareWalk::shown).collect(Collectors.joining(", "));
    }

    /** Records as runs of offsets with the same delivery count. */
    private static <V> String runs(List<ConsumerRecord<String, V>> records) {
        Map<Short, List<Long>> counts = new TreeMap<>();
        for (ConsumerRecord<String, V> one : records) {
            counts.computeIfAbsent(one.deliveryCount().orElseThrow(), count -> new ArrayList<>()).add(one.offset());
        }
        return counts.entrySet().stream().map(one -> {
            List<Long> offsets = one.getValue();
            long first = offsets.get(0);
            long last = offsets.get(offsets.size() - 1);
            String gaps = last - first + 1 == offsets.size() ? "" : " with gaps";
            return first + "-" + last + gaps + " x" + one.getKey();
        }).collect(Collectors.joining(", "));
    }

    private static String shown(Headers headers) {
        List<String> all = new ArrayList<>();
        for (Header one : headers) all.add(one.key() + "=" + (one.value() == null ? null : new String(one.value())));
        return all.toString();
    }

    /** Dead letters: as many as there should be, and those that come a while after, without their order. */
    private void letters(String name, int count) {
        Map<String, Object> settings = walk.settings(Map.of());
        StringDeserializer strings = new StringDeserializer();
        TreeSet<String> found = new TreeSet<>();
        int read = 0;
        try (Consumer<String, String> consumer = new KafkaConsumer<>(settings, strings, strings)) {
            List<TopicPartition> both = List.of(new TopicPartition("dlq." + name, 0), new TopicPartition("dlq." + name, 1));
            consumer.assign(both);
            consumer.seekToBeginning(both);
            long end = System.currentTimeMillis() + (count == 0 ? QUIET_MS : WAIT_MS);
            while (System.currentTimeMillis() < end) {
                for (ConsumerRecord<String, String> one : consumer.poll(Duration.ofMillis(100))) {
                    found.add("letter in " + one.partition() + ": " + one.key() + ", " + one.value() + ", "
                            + shown(one.headers()));
                    if (++read == count) end = System.currentTimeMillis() + QUIET_MS;
                }
            }
        }
        found.forEach(walk::saw);
        Walk.equal("number of dead letters", read, count);
    }

    // Scenes

    private void deadLetters() {
        for (boolean isCopied : new boolean[] {true, false}) {
            walk.check("dead letters of rejected records, " + (isCopied ? "copied" : "not copied"), () -> {
                String name = isCopied ? "copied" : "told";
                deadly(name, 3, isCopied ? Map.of(COPIES, "true") : Map.of());
                Header reject = new RecordHeader("verdict", "REJECT".getBytes());
                List<ProducerRecord<String, String>> records = new ArrayList<>();
                for (int partition = 0; partition < 3; partition++) {
                    records.add(record(name, partition, "k" + partition, "accepted"));
                    records.add(record(name, partition, "k" + partition, "v" + partition, "own", "null"));
                    records.add(record(name, partition, null, "without a key"));
                    records.add(record(name, partition, "without a value", null, "own", "own"));
                    records.add(record(name, partition, "", ""));
                }
                records.stream().filter(one -> !"accepted".equals(one.value())).forEach(one -> one.headers().add(reject));
                send(records);
                judge(name, 3);
                letters(name, 12);
            });
        }
        walk.check("dead letters of records that are released too often", () -> {
            deadly("released", 1, Map.of(COPIES, "true", LIMIT, "2"));
            Header release = new RecordHeader("verdict", "RELEASE".getBytes());
            List<ProducerRecord<String, String>> records = new ArrayList<>();
            for (int i = 0; i < 4; i++) records.add(record("released", 0, "k" + i, "v" + i, "own"));
            records.get(1).headers().add(release);
            records.get(3).headers().add(release);
            send(records);
            judge("released", 1);
            letters("released", 2);
        });
        for (String mode : List.of(EXPLICIT, IMPLICIT)) {
            walk.check("dead letters of records whose consumers close, " + mode, () -> {
                String name = "closed-" + mode;
                deadly(name, 1, Map.of(COPIES, "true", LIMIT, "2"));
                send(name, "a", "b");
                for (int i = 0; i < 2; i++) {
                    try (ShareConsumer<String, String> consumer = member(name, mode)) {
                        walk.saw(shown(next(consumer)));
                    }
                }
                done(name, 1);
                letters(name, 2);
            });
            walk.check("dead letters of records whose locks end, " + mode, () -> {
                String name = "expired-" + mode;
                deadly(name, 1, Map.of(LIMIT, "2", LOCK, String.valueOf(LOCK_MS)));
                send(name, "a", "b");
                try (ShareConsumer<String, String> one = member(name, mode);
                        ShareConsumer<String, String> two = member(name, mode)) {
                    walk.saw(shown(next(one)));
                    walk.saw(shown(next(two)));
                    done(name, 1);
                    letters(name, 2);
                }
            });
        }
        walk.check("dead letters for a topic that is not enabled are lost", () -> {
            topic("dlq.disabled", 2, Map.of());
            scene("disabled", 1, Map.of(QUEUE, "dlq.disabled"));
            send(List.of(record("disabled", 0, "k", "v"), rejected("disabled")));
            judge("disabled", 1);
            letters("disabled", 0);
        });
        walk.check("dead letters for a topic that does not exist are lost", () -> {
            scene("absent", 1, Map.of(QUEUE, "dlq.absent"));
            send(List.of(record("absent", 0, "k", "v"), rejected("absent")));
            judge("absent", 1);
            walk.saw(admin.listTopics().names().get().contains("dlq.absent"));
        });
        walk.check("dead letters of a group that turns them on and off", () -> {
            deadly("changing", 1, Map.of(QUEUE, "dlq.changing"));
            for (String queue : List.of("", "dlq.changing", "")) {
                Walk.equal("change", set("changing", QUEUE, queue, false), "accepted");
                Thread.sleep(QUIET_MS);
                send(List.of(rejected("changing")));
                judge("changing", 1);
            }
            letters("changing", 1);
        });
    }

    private static ProducerRecord<String, String> rejected(String topic) {
        ProducerRecord<String, String> found = record(topic, 0, "k", "v");
        found.headers().add("verdict", "REJECT".getBytes());
        return found;
    }

    /** Records that a deserializer refuses: the client releases them, unless the application decides otherwise. */
    private void unreadable() {
        for (String mode : List.of(EXPLICIT, IMPLICIT)) {
            walk.check("dead letters of records that cannot be deserialized, " + mode, () -> {
                String name = "unreadable-" + mode;
                deadly(name, 1, Map.of(COPIES, "true", LIMIT, "2"));
                send(name, "four", "not four", "also");
                // The client does not tell of a refusal that it finds together with other records.
                TreeSet<String> found = new TreeSet<>();
                try (ShareConsumer<String, Integer> consumer = member(name, mode, Map.of(), new IntegerDeserializer())) {
                    Walk.until("lag", () -> {
                        try {
                            List<ConsumerRecord<String, Integer>> records = poll(consumer, 300);
                            if (!records.isEmpty()) found.add(shown(records));
                            if (mode.equals(EXPLICIT)) acknowledge(consumer, records, AcknowledgeType.ACCEPT);
                        } catch (RecordDeserializationException e) {
                            found.add("cannot read " + e.offset());
                            if (mode.equals(EXPLICIT)) {
                                consumer.acknowledge(name, 0, e.offset(), AcknowledgeType.REJECT);
                            }
                        }
                        acknowledged(consumer.commitSync());
                        return lag(name, 1);
                    }, lag -> lag == 0);
                }
                found.forEach(walk::saw);
                letters(name, 1);
            });
        }
    }

    private void limits() {
        walk.check("delivery limit of a group, and what is delivered before it", () -> {
            scene("limit", 1, Map.of(LIMIT, "3"));
            send("limit", "a", "b");
            try (ShareConsumer<String, String> consumer = member("limit", EXPLICIT)) {
                for (int i = 0; i < 2; i++) {
                    List<ConsumerRecord<String, String>> found = next(consumer);
                    walk.saw(shown(found));
                    acknowledge(consumer, found, AcknowledgeType.RELEASE);
                    walk.saw(outcome(consumer.commitSync()));
                }
                // Near the limit, records come one by one.
                releaseAll(consumer, "limit");
                send("limit", "c");
                List<ConsumerRecord<String, String>> last = next(consumer);
                walk.saw(shown(last));
                acknowledge(consumer, last, AcknowledgeType.ACCEPT);
            }
            done("limit", 1);
        });
        walk.check("delivery limit of the brokers, whose consumers close", () -> {
            scene("closing", 1, Map.of());
            send("closing", "a");
            for (int i = 0; i < 5; i++) {
                try (ShareConsumer<String, String> consumer = member("closing", IMPLICIT)) {
                    walk.saw(shown(next(consumer)));
                }
            }
            done("closing", 1);
            try (ShareConsumer<String, String> consumer = member("closing", IMPLICIT)) {
                walk.saw("then: " + shown(poll(consumer, QUIET_MS)));
            }
        });
        walk.check("delivery limit near which records come in smaller numbers", () -> {
            scene("throttled", 1, Map.of(LIMIT, "6"));
            send("throttled", numbers(16));
            try (ShareConsumer<String, String> consumer = member("throttled", EXPLICIT)) {
                releaseAll(consumer, "throttled");
            }
        });
        walk.check("delivery limit that is lowered and raised while records are in flight", () -> {
            scene("lowered", 1, Map.of(LIMIT, "5"));
            // The limit counts at the end of a delivery: one delivery is still below 2, two are below 9, three reach 3.
            send("lowered", "a", "b", "c");
            try (ShareConsumer<String, String> consumer = member("lowered", EXPLICIT)) {
                for (String limit : List.of("2", "9", "3")) {
                    List<ConsumerRecord<String, String>> found = next(consumer);
                    walk.saw(shown(found));
                    Walk.equal("change", set("lowered", LIMIT, limit, false), "accepted");
                    Thread.sleep(QUIET_MS);
                    acknowledge(consumer, found, AcknowledgeType.RELEASE);
                    acknowledged(consumer.commitSync());
                }
                walk.saw("then: " + shown(poll(consumer, QUIET_MS)));
            }
        });
    }

    private void locks() {
        for (String mode : List.of(EXPLICIT, IMPLICIT)) {
            walk.check("lock that ends: another member gets the record, " + mode, () -> {
                String name = "lock-" + mode;
                scene(name, 1, Map.of(LOCK, String.valueOf(LOCK_MS)));
                send(name, "a", "b");
                List<String> told = new ArrayList<>();
                try (ShareConsumer<String, String> one = member(name, mode);
                        ShareConsumer<String, String> two = member(name, mode)) {
                    one.setAcknowledgementCommitCallback((offsets, error) -> told.add(new TreeSet<>(
                            offsets.values().iterator().next()) + " " + told(error)));
                    List<ConsumerRecord<String, String>> first = next(one);
                    long began = System.currentTimeMillis();
                    walk.saw(shown(first));
                    walk.saw("lock " + one.acquisitionLockTimeoutMs());
                    List<ConsumerRecord<String, String>> second = next(two);
                    long waited = System.currentTimeMillis() - began;
                    walk.saw(shown(second));
                    Walk.need(waited > LOCK_MS / 2, "the lock lasts, it was " + waited + " ms");
                    if (mode.equals(EXPLICIT)) acknowledge(one, first, AcknowledgeType.ACCEPT);
                    walk.saw("late: " + outcome(one.commitSync()));
                    one.poll(Duration.ofMillis(100));
                    if (mode.equals(EXPLICIT)) acknowledge(two, second, AcknowledgeType.ACCEPT);
                    walk.saw("in time: " + outcome(two.commitSync()));
                }
                told.forEach(walk::saw);
                done(name, 1);
            });
        }
        walk.check("lock that ends for some records of a batch", () -> {
            scene("partly", 1, Map.of(LOCK, String.valueOf(LOCK_MS)));
            send("partly", numbers(5));
            try (ShareConsumer<String, String> one = member("partly", EXPLICIT);
                    ShareConsumer<String, String> two = member("partly", EXPLICIT)) {
                List<ConsumerRecord<String, String>> first = next(one);
                one.acknowledge(first.get(1));
                one.acknowledge(first.get(3), AcknowledgeType.REJECT);
                walk.saw(outcome(one.commitSync()));
                // Each record has a lock of its own by now, so they may come one by one.
                List<ConsumerRecord<String, String>> second = new ArrayList<>();
                while (second.size() < 3) {
                    List<ConsumerRecord<String, String>> found = next(two);
                    acknowledge(two, found, AcknowledgeType.ACCEPT);
                    acknowledged(two.commitSync());
                    second.addAll(found);
                }
                walk.saw(shown(second));
                one.acknowledge(first.get(0));
                walk.saw("late: " + outcome(one.commitSync()));
            }
            done("partly", 1);
        });
        walk.check("lock whose duration changes: the next records have the new one", () -> {
            scene("longer", 1, Map.of(LOCK, "20000"));
            try (ShareConsumer<String, String> consumer = member("longer", EXPLICIT)) {
                for (String lock : List.of("20000", "40000", "15000")) {
                    Walk.equal("change", set("longer", LOCK, lock, false), "accepted");
                    Thread.sleep(QUIET_MS);
                    send("longer", lock);
                    List<ConsumerRecord<String, String>> found = next(consumer);
                    walk.saw(shown(found) + ", lock " + consumer.acquisitionLockTimeoutMs());
                    acknowledge(consumer, found, AcknowledgeType.ACCEPT);
                    acknowledged(consumer.commitSync());
                }
            }
        });
    }

    private void renewals() {
        walk.check("renewals keep a lock, with the delivery count", () -> {
            scene("renewed", 1, Map.of(LOCK, String.valueOf(LOCK_MS)));
            send("renewed", "a", "b");
            try (ShareConsumer<String, String> one = member("renewed", EXPLICIT);
                    ShareConsumer<String, String> two = member("renewed", EXPLICIT)) {
                List<ConsumerRecord<String, String>> held = next(one);
                walk.saw(shown(held));
                for (int i = 0; i < 6; i++) {
                    acknowledge(one, held, AcknowledgeType.RENEW);
                    walk.saw(outcome(one.commitSync()));
                    List<ConsumerRecord<String, String>> again = next(one);
                    Walk.equal("renewed records", shown(again), shown(held));
                    Walk.equal("records of the other", shown(poll(two, LOCK_MS / 4)), "");
                }
                // The renewals end for one of them.
                one.acknowledge(held.get(0), AcknowledgeType.ACCEPT);
                walk.saw(outcome(one.commitSync()));
                List<ConsumerRecord<String, String>> lost = next(two);
                walk.saw("of the other: " + shown(lost));
                one.acknowledge(held.get(1), AcknowledgeType.RENEW);
                walk.saw("late: " + outcome(one.commitSync()));
                acknowledge(two, lost, AcknowledgeType.ACCEPT);
                walk.saw(outcome(two.commitSync()));
            }
            done("renewed", 1);
        });
        walk.check("renewals of a group that does not allow them", () -> {
            scene("unrenewed", 1, Map.of(RENEWS, "false"));
            send("unrenewed", "a");
            try (ShareConsumer<String, String> consumer = member("unrenewed", EXPLICIT)) {
                List<ConsumerRecord<String, String>> held = next(consumer);
                acknowledge(consumer, held, AcknowledgeType.RENEW);
                walk.saw(outcome(consumer.commitSync()));
            }
            try (ShareConsumer<String, String> consumer = member("unrenewed", IMPLICIT)) {
                walk.saw(shown(next(consumer)));
                walk.saw(outcome(consumer.commitSync()));
            }
            done("unrenewed", 1);
        });
    }

    private void recordLocks() {
        Map<String, Object> exact = Map.of("share.acquire.mode", "record_limit", "max.poll.records", 50);
        walk.check("record locks of a partition end at the limit", () -> {
            scene("locks", 1, Map.of(LOCKS, "100"));
            for (int i = 0; i < 5; i++) send("locks", numbers(50));
            try (ShareConsumer<String, String> one = member("locks", EXPLICIT, exact);
                    ShareConsumer<String, String> two = member("locks", EXPLICIT, exact);
                    ShareConsumer<String, String> three = member("locks", EXPLICIT, exact)) {
                List<ConsumerRecord<String, String>> first = next(one);
                List<ConsumerRecord<String, String>> second = next(two);
                walk.saw(runs(first));
                walk.saw(runs(second));
                walk.saw("at the limit: " + runs(poll(three, 2 * QUIET_MS)));
                // As long as the first records are locked, those after them count.
                acknowledge(two, second, AcknowledgeType.ACCEPT);
                walk.saw(outcome(two.commitSync()));
                walk.saw("behind a lock: " + runs(poll(three, 2 * QUIET_MS)));
                acknowledge(one, first, AcknowledgeType.RELEASE);
                walk.saw(outcome(one.commitSync()));
                List<ConsumerRecord<String, String>> again = next(three);
                walk.saw(runs(again));
                acknowledge(three, again, AcknowledgeType.ACCEPT);
                walk.saw(outcome(three.commitSync()));
                walk.saw(runs(next(three)));
            }
        });
        walk.check("record locks of a partition, with whole batches", () -> {
            scene("batches", 1, Map.of(LOCKS, "100"));
            for (int i = 0; i < 8; i++) send("batches", numbers(30));
            try (ShareConsumer<String, String> one = member("batches", EXPLICIT);
                    ShareConsumer<String, String> two = member("batches", IMPLICIT)) {
                List<ConsumerRecord<String, String>> first = next(one);
                walk.saw(runs(first));
                walk.saw("at the limit: " + runs(poll(two, 2 * QUIET_MS)));
                acknowledge(one, first, AcknowledgeType.ACCEPT);
                walk.saw(outcome(one.commitSync()));
                walk.saw(runs(next(two)));
                walk.saw(outcome(two.commitSync()));
            }
        });
    }

    /** The bounds of the first three are those of the brokers, which are not the defaults. */
    private void settings() {
        Map<String, List<String>> values = new TreeMap<>(Comparator.naturalOrder());
        values.put(LOCK, List.of("999", "1500", "1499", "45000", "45001", "-1", "0", "", "x", "1.5", "99999999999"));
        values.put(LIMIT, List.of("1", "2", "9", "10", "-1", "0", "x"));
        values.put(LOCKS, List.of("99", "100", "3000", "3001", "10001", "-1", "x"));
        values.put(RENEWS, List.of("true", "false", "TRUE", "1", ""));
        values.put(QUEUE, List.of("dlq.any", "", "elsewhere", "__internal", "with/slash", ".", "x".repeat(250)));
        values.put(COPIES, List.of("true", "false", "yes"));
        values.forEach((setting, all) -> {
            for (boolean isTried : new boolean[] {true, false}) {
                walk.check("setting " + setting + (isTried ? ", validated only" : ""), () -> {
                    for (String value : all) {
                        String answer = set("bounds", setting, value, isTried);
                        String told = value.length() > 50 ? value.length() + " characters" : "\"" + value + "\"";
                        walk.saw(told + ": " + answer.replace(value.length() > 50 ? value : "\n", ".."));
                    }
                    ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "bounds");
                    ConfigEntry entry = admin.describeConfigs(List.of(group)).all().get().get(group).get(setting);
                    walk.saw(entry.source() + " " + (entry.value().length() > 50 ? ".." : entry.value()));
                });
            }
        });
        walk.check("setting " + ENABLED + " of a topic", () -> {
            for (String value : List.of("true", "false", "maybe")) {
                try {
                    topic("enabled-" + value, 1, Map.of(ENABLED, value));
                    walk.saw(value + ": accepted");
                } catch (Exception e) {
                    walk.saw(value + ": " + told(e.getCause()));
                }
            }
        });
    }
}
