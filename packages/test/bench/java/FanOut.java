import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Several consumers in one process, each reading a whole topic. Arguments: server, topic, its records, consumers. */
public class FanOut {
    public static void main(String[] args) throws Exception {
        String topic = args[1];
        long wanted = Long.parseLong(args[2]);
        AtomicLong bytes = new AtomicLong();
        List<Thread> threads = new ArrayList<>();
        long began = System.nanoTime();
        for (int i = 0; i < Integer.parseInt(args[3]); i++) {
            Thread thread = new Thread(() -> read(args[0], topic, wanted, bytes));
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
        double seconds = (System.nanoTime() - began) / 1e9;
        System.out.printf("%.3f seconds, %d bytes%n", seconds, bytes.get());
    }

    static void read(String server, String topic, long wanted, AtomicLong bytes) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", server);
        config.put("key.deserializer", ByteArrayDeserializer.class);
        config.put("value.deserializer", ByteArrayDeserializer.class);
        config.put("max.poll.records", 5000);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (PartitionInfo info : consumer.partitionsFor(topic)) {
                partitions.add(new TopicPartition(topic, info.partition()));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            for (long got = 0; got < wanted; ) {
                var records = consumer.poll(Duration.ofMillis(500));
                got += records.count();
                for (var record : records) bytes.addAndGet(record.serializedValueSize());
            }
        }
    }
}
