import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Calls every method of Consumer; the second argument is the group protocol: classic or consumer. */
public class ConsumerWalk {
    private static final String TOPIC = "consumer-walk";
    private static final int EACH = 30;
    private static final TopicPartition ZERO = new TopicPartition(TOPIC, 0);
    private static final TopicPartition ONE = new TopicPartition(TOPIC, 1);
    private final Walk walk;
    private final String protocol;

    private ConsumerWalk(Walk walk, String protocol) {
        this.walk = walk;
        this.protocol = protocol;
    }

    /** Record i of each partition has the timestamp 1000 * i. */
    public static void main(String[] args) throws Exception {
        Walk walk = new Walk(args[0]);
        try (Admin admin = Admin.create(walk.settings(Map.of()))) {
            admin.createTopics(List.of(new NewTopic(TOPIC, 2, (short) 1))).all().get();
        }
        StringSerializer strings = new StringSerializer();
        try (Producer<String, String> producer = new KafkaProducer<>(walk.settings(Map.of()), strings, strings)) {
            for (int partition = 0; partition < 2; partition++) {
                for (int i = 0; i < EACH; i++) {
                    producer.send(new ProducerRecord<>(TOPIC, partition, i * 1000L, "k" + i, partition + "/" + i));
                }
            }
        }
        ConsumerWalk consumers = new ConsumerWalk(walk, args[1]);
        consumers.places();
        consumers.offsets();
        consumers.groups();
        consumers.rebalances();
        consumers.rest();
    }

    private Consumer<String, String> consumer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(walk.settings(more));
        settings.put("group.protocol", protocol);
        settings.putIfAbsent("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private Consumer<String, String> member(String group) {
        return consumer(Map.of("group.id", group));
    }

    private static List<ConsumerRecord<String, String>> take(Consumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        long end = System.currentTimeMillis() + 10_000;
        while (found.size() < count) {
            if (System.currentTimeMillis() > end) throw new AssertionError(found.size() + " of " + count + " records came");
            consumer.poll(Duration.ofMillis(100)).forEach(found::add);
        }
        return found;
    }

    private static void joined(Consumer<String, String> consumer, int partitions) throws Exception {
        Walk.until("assigned " + partitions, () -> {
            consumer.poll(Duration.ofMillis(50));
            return consumer.assignment().size();
        }, size -> size == partitions);
    }

    private void places() {
        walk.check("assign", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO));
                Walk.equal("assignment", consumer.assignment(), Set.of(ZERO));
                consumer.seek(ZERO, 0);
                List<ConsumerRecord<String, String>> read = take(consumer, EACH);
                for (int i = 0; i < EACH; i++) Walk.equal("value", read.get(i).value(), "0/" + i);
                Walk.equal("timestamp", read.get(7).timestamp(), 7000L);
                Walk.equal("leader epoch", read.get(0).leaderEpoch().isPresent(), true);
            }
        });
        walk.check("seek", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO));
                consumer.seek(ZERO, 17);
                Walk.equal("offset", take(consumer, 1).get(0).offset(), 17L);
                consumer.seek(ZERO, new OffsetAndMetadata(4));
                Walk.equal("offset", take(consumer, 1).get(0).offset(), 4L);
            }
        });
        walk.check("seekToBeginning", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO));
                consumer.seekToBeginning(List.of(ZERO));
                Walk.equal("position", consumer.position(ZERO), 0L);
            }
        });
        walk.check("seekToEnd", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO));
                consumer.seekToEnd(List.of(ZERO));
                Walk.equal("position", consumer.position(ZERO), (long) EACH);
            }
        });
        walk.check("position after a poll", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of("max.poll.records", 5))) {
                consumer.assign(List.of(ZERO));
                consumer.seek(ZERO, 0);
                int count = take(consumer, 1).size();
                Walk.equal("position", consumer.position(ZERO, Duration.ofSeconds(5)), (long) count);
            }
        });
        walk.check("poll beyond the end resets or refuses", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO));
                consumer.seek(ZERO, 1000);
                Walk.equal("offset", take(consumer, 1).get(0).offset(), 0L);
            }
            try (Consumer<String, String> consumer = consumer(Map.of("auto.offset.reset", "none", "group.id", "none"))) {
                consumer.assign(List.of(ZERO));
                Walk.refused(NoOffsetForPartitionException.class, () -> consumer.poll(Duration.ofSeconds(5)));
            }
        });
        walk.check("pause", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO, ONE));
                consumer.seekToBeginning(List.of(ZERO, ONE));
                consumer.pause(List.of(ZERO));
                Walk.equal("paused", consumer.paused(), Set.of(ZERO));
                for (ConsumerRecord<String, String> record : take(consumer, EACH)) Walk.equal("partition", record.partition(), 1);
            }
        });
        walk.check("resume", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO));
                consumer.seekToBeginning(List.of(ZERO));
                consumer.pause(List.of(ZERO));
                Walk.equal("records", consumer.poll(Duration.ofMillis(300)).count(), 0);
                consumer.resume(List.of(ZERO));
                take(consumer, EACH);
            }
        });
    }

    private void offsets() {
        walk.check("offsetsForTimes", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(Map.of(ZERO, 6500L, ONE, 99_999_999L));
                Walk.equal("offset", found.get(ZERO).offset(), 7L);
                Walk.equal("timestamp", found.get(ZERO).timestamp(), 7000L);
                Walk.equal("after the end", found.get(ONE), null);
            }
        });
        walk.check("beginningOffsets", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                Walk.equal("offsets", consumer.beginningOffsets(List.of(ZERO, ONE)), Map.of(ZERO, 0L, ONE, 0L));
            }
        });
        walk.check("endOffsets", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                Walk.equal("offsets", consumer.endOffsets(List.of(ZERO)), Map.of(ZERO, (long) EACH));
            }
        });
        walk.check("partitionsFor", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                Walk.equal("partitions", consumer.partitionsFor(TOPIC).size(), 2);
                Walk.equal("of a topic that is not there", consumer.partitionsFor("nowhere"), List.of());
            }
        });
        walk.check("listTopics", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                Walk.equal("partitions", consumer.listTopics().get(TOPIC).size(), 2);
            }
        });
        walk.check("currentLag", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of("max.poll.records", 10))) {
                consumer.assign(List.of(ZERO));
                consumer.seekToBeginning(List.of(ZERO));
                int count = take(consumer, 10).size();
                Walk.equal("lag", consumer.currentLag(ZERO).getAsLong(), (long) EACH - count);
            }
        });
    }

    private void groups() {
        walk.check("subscribe", () -> {
            try (Consumer<String, String> consumer = member("subscribe")) {
                consumer.subscribe(List.of(TOPIC));
                Walk.equal("subscription", consumer.subscription(), Set.of(TOPIC));
                take(consumer, 2 * EACH);
                Walk.equal("assignment", consumer.assignment(), Set.of(ZERO, ONE));
            }
        });
        walk.check("subscribe to a pattern of the client", () -> {
            try (Consumer<String, String> consumer = member("pattern")) {
                consumer.subscribe(Pattern.compile("consumer-w.*"));
                take(consumer, 2 * EACH);
            }
        });
        if (protocol.equals("consumer")) {
            walk.check("subscribe to a pattern of the broker", () -> {
                try (Consumer<String, String> consumer = member("re2j")) {
                    consumer.subscribe(new SubscriptionPattern("consumer-w.*"));
                    take(consumer, 2 * EACH);
                }
            });
        }
        walk.check("commitSync, then another member goes on", () -> {
            try (Consumer<String, String> consumer = member("commit")) {
                consumer.subscribe(List.of(TOPIC));
                take(consumer, 2 * EACH);
                consumer.commitSync(Map.of(ZERO, new OffsetAndMetadata(12, "mine"), ONE, new OffsetAndMetadata(EACH)));
                OffsetAndMetadata committed = consumer.committed(Set.of(ZERO)).get(ZERO);
                Walk.equal("offset", committed.offset(), 12L);
                Walk.equal("metadata", committed.metadata(), "mine");
            }
            try (Consumer<String, String> consumer = member("commit")) {
                consumer.subscribe(List.of(TOPIC));
                List<ConsumerRecord<String, String>> read = take(consumer, EACH - 12);
                Walk.equal("count", read.size(), EACH - 12);
                Walk.equal("value", read.get(0).value(), "0/12");
                consumer.commitSync();
                Walk.equal("offset", consumer.committed(Set.of(ZERO)).get(ZERO).offset(), (long) EACH);
            }
        });
        walk.check("commitAsync", () -> {
            try (Consumer<String, String> consumer = member("async")) {
                consumer.subscribe(List.of(TOPIC));
                take(consumer, 2 * EACH);
                CompletableFuture<Object> told = new CompletableFuture<>();
                consumer.commitAsync((offsets, error) -> told.complete(error == null ? offsets.size() : error));
                Walk.until("told", () -> {
                    consumer.poll(Duration.ofMillis(50));
                    return told.isDone();
                }, done -> done);
                Walk.equal("offsets", told.get(), 2);
            }
        });
        walk.check("committed of a group that committed nothing", () -> {
            try (Consumer<String, String> consumer = member("nothing")) {
                Walk.equal("offset", consumer.committed(Set.of(ZERO)).get(ZERO), null);
            }
        });
        walk.check("unsubscribe", () -> {
            try (Consumer<String, String> consumer = member("unsubscribe")) {
                consumer.subscribe(List.of(TOPIC));
                joined(consumer, 2);
                consumer.unsubscribe();
                Walk.equal("assignment", consumer.assignment(), Set.of());
            }
        });
        walk.check("groupMetadata", () -> {
            try (Consumer<String, String> consumer = member("metadata")) {
                consumer.subscribe(List.of(TOPIC));
                joined(consumer, 2);
                Walk.equal("group", consumer.groupMetadata().groupId(), "metadata");
                Walk.need(consumer.groupMetadata().generationId() > 0, "there is a generation");
                Walk.need(!consumer.groupMetadata().memberId().isEmpty(), "there is a member id");
            }
        });
    }

    private void rebalances() {
        walk.check("subscribe, two members share the partitions and one leaves", () -> {
            List<TopicPartition> revoked = new ArrayList<>();
            ConsumerRebalanceListener listener = new ConsumerRebalanceListener() {
                @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { }
                @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { revoked.addAll(partitions); }
            };
            try (Consumer<String, String> first = member("two"); Consumer<String, String> second = member("two")) {
                first.subscribe(List.of(TOPIC), listener);
                joined(first, 2);
                second.subscribe(List.of(TOPIC));
                Walk.until("each has one", () -> {
                    first.poll(Duration.ofMillis(50));
                    second.poll(Duration.ofMillis(50));
                    return first.assignment().size() == 1 && second.assignment().size() == 1;
                }, even -> even);
                Walk.need(!revoked.isEmpty(), "the listener was told");
                second.close(CloseOptions.timeout(Duration.ofSeconds(5)));
                joined(first, 2);
            }
        });
        walk.check("subscribe of a static member, again within its session", () -> {
            Map<String, Object> settings = Map.of("group.id", "static", "group.instance.id", "one");
            try (Consumer<String, String> consumer = consumer(settings)) {
                consumer.subscribe(List.of(TOPIC));
                joined(consumer, 2);
            }
            try (Consumer<String, String> consumer = consumer(settings)) {
                consumer.subscribe(List.of(TOPIC));
                joined(consumer, 2);
            }
        });
        if (protocol.equals("classic")) {
            walk.check("subscribe with the cooperative assignor", () -> {
                String assignor = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
                Map<String, Object> settings = Map.of("group.id", "sticky", "partition.assignment.strategy", assignor);
                try (Consumer<String, String> first = consumer(settings); Consumer<String, String> second = consumer(settings)) {
                    first.subscribe(List.of(TOPIC));
                    joined(first, 2);
                    second.subscribe(List.of(TOPIC));
                    Walk.until("each has one", () -> {
                        first.poll(Duration.ofMillis(50));
                        second.poll(Duration.ofMillis(50));
                        return first.assignment().size() == 1 && second.assignment().size() == 1;
                    }, even -> even);
                }
            });
            walk.check("enforceRebalance", () -> {
                try (Consumer<String, String> consumer = member("enforce")) {
                    consumer.subscribe(List.of(TOPIC));
                    joined(consumer, 2);
                    int generation = consumer.groupMetadata().generationId();
                    consumer.enforceRebalance("to see");
                    Walk.until("a new generation", () -> {
                        consumer.poll(Duration.ofMillis(50));
                        return consumer.groupMetadata().generationId();
                    }, now -> now > generation);
                }
            });
        }
    }

    private void rest() {
        walk.check("wakeup", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                consumer.assign(List.of(ZERO));
                consumer.seekToEnd(List.of(ZERO));
                consumer.wakeup();
                Walk.refused(WakeupException.class, () -> consumer.poll(Duration.ofSeconds(5)));
            }
        });
        walk.check("metrics", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of())) {
                Walk.need(!consumer.metrics().isEmpty(), "there are metrics");
            }
        });
        walk.check("poll with isolation.level=read_committed", () -> {
            try (Consumer<String, String> consumer = consumer(Map.of("isolation.level", "read_committed"))) {
                consumer.assign(List.of(ZERO));
                consumer.seekToBeginning(List.of(ZERO));
                take(consumer, EACH);
            }
        });
        walk.check("poll with small fetches", () -> {
            Map<String, Object> settings = Map.of("fetch.max.bytes", 100, "max.partition.fetch.bytes", 100);
            try (Consumer<String, String> consumer = consumer(settings)) {
                consumer.assign(List.of(ZERO, ONE));
                consumer.seekToBeginning(List.of(ZERO, ONE));
                take(consumer, 2 * EACH);
            }
        });
        walk.check("poll waits for fetch.min.bytes no longer than fetch.max.wait.ms", () -> {
            Map<String, Object> settings = Map.of("fetch.min.bytes", 1_000_000, "fetch.max.wait.ms", 300);
            try (Consumer<String, String> consumer = consumer(settings)) {
                consumer.assign(List.of(ZERO));
                consumer.seekToBeginning(List.of(ZERO));
                take(consumer, EACH);
            }
        });
        walk.check("close", () -> {
            Consumer<String, String> consumer = member("close");
            consumer.subscribe(List.of(TOPIC));
            joined(consumer, 2);
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(5)));
            try (Admin admin = Admin.create(walk.settings(Map.of()))) {
                Walk.until("the group is empty", () -> admin.describeConsumerGroups(List.of("close")).all()
                        .get(10, TimeUnit.SECONDS).get("close").members().size(), size -> size == 0);
            }
        });
    }
}
