import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Calls every method of Producer. */
public class ProducerWalk {
    private static final String TOPIC = "producer-walk";
    private final Walk walk;

    private ProducerWalk(Walk walk) {
        this.walk = walk;
    }

    public static void main(String[] args) throws Exception {
        Walk walk = new Walk(args[0]);
        try (Admin admin = Admin.create(walk.settings(Map.of()))) {
            Map<String, String> times = Map.of("message.timestamp.type", "LogAppendTime");
            Map<String, String> small = Map.of("max.message.bytes", "1000");
            List<NewTopic> topics = List.of(
                    new NewTopic(TOPIC, 3, (short) 1),
                    new NewTopic("append-time", 1, (short) 1).configs(times),
                    new NewTopic("small", 1, (short) 1).configs(small));
            admin.createTopics(topics).all().get();
        }
        ProducerWalk producers = new ProducerWalk(walk);
        producers.sends();
        producers.bounds();
        producers.transactions();
    }

    private Producer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(walk.settings(more));
        settings.putIfAbsent("delivery.timeout.ms", 10_000);
        settings.putIfAbsent("max.block.ms", 10_000);
        settings.put("request.timeout.ms", 5_000);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private static RecordMetadata get(Future<RecordMetadata> sent) throws Exception {
        return sent.get(15, TimeUnit.SECONDS);
    }

    private List<ConsumerRecord<byte[], byte[]>> read(TopicPartition partition, long from, int count, String isolation) {
        Map<String, Object> settings = walk.settings(Map.of("isolation.level", isolation));
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, from);
            long end = System.currentTimeMillis() + 8_000;
            while (found.size() < count && System.currentTimeMillis() < end) {
                consumer.poll(Duration.ofMillis(200)).forEach(found::add);
            }
        }
        return found;
    }

    private void sends() {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            walk.check("send with " + codec, () -> {
                String value = (codec + " again ").repeat(300);
                long first = -1;
                try (Producer<String, String> producer = producer(Map.of("compression.type", codec, "linger.ms", 20))) {
                    List<Future<RecordMetadata>> sent = new ArrayList<>();
                    for (int i = 0; i < 50; i++) sent.add(producer.send(new ProducerRecord<>(TOPIC, 0, "k" + i, value)));
                    for (int i = 0; i < 50; i++) {
                        long offset = get(sent.get(i)).offset();
                        if (i == 0) first = offset;
                        Walk.equal("offset", offset, first + i);
                    }
                }
                List<ConsumerRecord<byte[], byte[]>> read = read(new TopicPartition(TOPIC, 0), first, 50, "read_uncommitted");
                Walk.equal("count", read.size(), 50);
                Walk.equal("value", new String(read.get(49).value(), StandardCharsets.UTF_8), value);
            });
        }
        walk.check("send of keys, headers and nulls", () -> {
            long offset;
            try (Producer<String, String> producer = producer(Map.of("linger.ms", 20))) {
                ProducerRecord<String, String> full = new ProducerRecord<>(TOPIC, 1, 1234L, "key", "žluťoučký kůň");
                full.headers().add("text", "header".getBytes(StandardCharsets.UTF_8)).add("none", null).add("text", new byte[0]);
                Future<RecordMetadata> sent = producer.send(full);
                producer.send(new ProducerRecord<>(TOPIC, 1, "gone", null));
                producer.send(new ProducerRecord<>(TOPIC, 1, null, ""));
                offset = get(sent).offset();
            }
            List<ConsumerRecord<byte[], byte[]>> read = read(new TopicPartition(TOPIC, 1), offset, 3, "read_uncommitted");
            Walk.equal("count", read.size(), 3);
            Walk.equal("timestamp", read.get(0).timestamp(), 1234L);
            Walk.equal("key", new String(read.get(0).key(), StandardCharsets.UTF_8), "key");
            Header[] headers = read.get(0).headers().toArray();
            Walk.equal("headers", headers.length, 3);
            Walk.equal("header of null", headers[1].value(), null);
            Walk.equal("tombstone", read.get(1).value(), null);
            Walk.equal("key of null", read.get(2).key(), null);
            Walk.equal("empty value", read.get(2).value().length, 0);
        });
        walk.check("send with a callback", () -> {
            CompletableFuture<RecordMetadata> told = new CompletableFuture<>();
            try (Producer<String, String> producer = producer(Map.of())) {
                producer.send(new ProducerRecord<>(TOPIC, "k", "v"), (metadata, error) -> {
                    if (error == null) told.complete(metadata);
                    else told.completeExceptionally(error);
                });
                Walk.need(told.get(10, TimeUnit.SECONDS).hasOffset(), "the callback tells the offset");
            }
        });
        for (String acks : List.of("0", "1", "all")) {
            walk.check("send with acks=" + acks, () -> {
                Map<String, Object> settings = Map.of("acks", acks, "enable.idempotence", acks.equals("all"));
                try (Producer<String, String> producer = producer(settings)) {
                    RecordMetadata metadata = get(producer.send(new ProducerRecord<>(TOPIC, 2, "k", acks)));
                    Walk.equal("an offset is told", metadata.hasOffset(), !acks.equals("0"));
                }
            });
        }
    }

    private void bounds() {
        walk.check("send to a topic with LogAppendTime", () -> {
            try (Producer<String, String> producer = producer(Map.of())) {
                RecordMetadata metadata = get(producer.send(new ProducerRecord<>("append-time", 0, 5L, "k", "v")));
                Walk.need(Math.abs(metadata.timestamp() - System.currentTimeMillis()) < 60_000, "the broker's time is told");
            }
        });
        walk.check("send of a record too large is refused", () -> {
            try (Producer<String, String> producer = producer(Map.of())) {
                ProducerRecord<String, String> large = new ProducerRecord<>("small", 0, "k", "v".repeat(2000));
                Walk.refused(RecordTooLargeException.class, () -> get(producer.send(large)));
                get(producer.send(new ProducerRecord<>("small", 0, "k", "v")));
            }
        });
        walk.check("send to a topic that is not there is refused", () -> {
            try (Producer<String, String> producer = producer(Map.of("max.block.ms", 1000))) {
                Walk.refused(TimeoutException.class, () -> get(producer.send(new ProducerRecord<>("nowhere", "v"))));
            }
        });
        walk.check("flush", () -> {
            try (Producer<String, String> producer = producer(Map.of("linger.ms", 60_000, "delivery.timeout.ms", 120_000))) {
                Future<RecordMetadata> sent = producer.send(new ProducerRecord<>(TOPIC, 2, "k", "v"));
                producer.flush();
                Walk.need(sent.isDone(), "what was sent is done");
                get(sent);
            }
        });
        walk.check("partitionsFor", () -> {
            try (Producer<String, String> producer = producer(Map.of())) {
                Walk.equal("partitions", producer.partitionsFor(TOPIC).size(), 3);
            }
        });
        walk.check("metrics", () -> {
            try (Producer<String, String> producer = producer(Map.of())) {
                Walk.need(!producer.metrics().isEmpty(), "there are metrics");
            }
        });
        walk.check("send of 20000 records, idempotent, none twice and none missing", () -> {
            long first = -1;
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (Producer<String, String> producer = producer(Map.of("enable.idempotence", true, "batch.size", 2000))) {
                for (int i = 0; i < 20_000; i++) sent.add(producer.send(new ProducerRecord<>(TOPIC, 2, "k", "value " + i)));
            }
            first = get(sent.get(0)).offset();
            for (int i = 0; i < sent.size(); i++) Walk.equal("offset", get(sent.get(i)).offset(), first + i);
        });
    }

    private void transactions() {
        TopicPartition partition = new TopicPartition("append-time", 0);
        Map<String, Object> settings = Map.of("transactional.id", "walk", "transaction.timeout.ms", 30_000);
        walk.check("initTransactions", () -> {
            try (Producer<String, String> producer = producer(settings)) {
                producer.initTransactions();
            }
        });
        walk.check("commitTransaction", () -> {
            try (Producer<String, String> producer = producer(settings)) {
                producer.initTransactions();
                producer.beginTransaction();
                long offset = get(producer.send(new ProducerRecord<>("append-time", 0, "k", "committed"))).offset();
                producer.commitTransaction();
                Walk.equal("records", read(partition, offset, 1, "read_committed").size(), 1);
            }
        });
        walk.check("abortTransaction", () -> {
            try (Producer<String, String> producer = producer(settings)) {
                producer.initTransactions();
                producer.beginTransaction();
                long offset = get(producer.send(new ProducerRecord<>("append-time", 0, "k", "aborted"))).offset();
                producer.abortTransaction();
                producer.beginTransaction();
                producer.send(new ProducerRecord<>("append-time", 0, "k", "after"));
                producer.commitTransaction();
                byte[] value = read(partition, offset, 1, "read_committed").get(0).value();
                Walk.equal("value", new String(value, StandardCharsets.UTF_8), "after");
            }
        });
        walk.check("sendOffsetsToTransaction", () -> {
            Map<String, Object> group = walk.settings(Map.of("group.id", "in-transaction"));
            ByteArrayDeserializer bytes = new ByteArrayDeserializer();
            try (Producer<String, String> producer = producer(settings);
                    Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(group, bytes, bytes)) {
                producer.initTransactions();
                producer.beginTransaction();
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(1)), consumer.groupMetadata());
                producer.commitTransaction();
                Walk.equal("committed", consumer.committed(java.util.Set.of(partition)).get(partition).offset(), 1L);
            }
        });
        walk.check("beginTransaction of a fenced producer is refused", () -> {
            try (Producer<String, String> old = producer(settings); Producer<String, String> young = producer(settings)) {
                old.initTransactions();
                old.beginTransaction();
                get(old.send(new ProducerRecord<>("append-time", 0, "k", "v")));
                young.initTransactions();
                try {
                    Walk.refused(ProducerFencedException.class, () -> {
                        get(old.send(new ProducerRecord<>("append-time", 0, "k", "v")));
                        old.commitTransaction();
                    });
                } catch (Exception e) {
                    Walk.refused(InvalidProducerEpochException.class, () -> { throw e; });
                }
            }
        });
    }
}
