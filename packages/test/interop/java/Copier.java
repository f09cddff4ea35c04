import java.io.FileReader;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Copies the records of a partition of the topic "in" to "out" in transactions, some of which it aborts. Its arguments are
 * a file of properties of its clients, the partition, and the number of records. It prints a line for each transaction.
 * Kafka's own copier takes no properties, and so does not log in.
 */
public class Copier {
    private static final int IN_A_TRANSACTION = 100;
    private final Properties settings = new Properties();
    private final TopicPartition from;
    private final KafkaConsumer<String, String> consumer;
    private final KafkaProducer<String, String> producer;

    private Copier(String file, int partition) throws Exception {
        settings.load(new FileReader(file));
        settings.put("group.id", "copier-" + partition);
        settings.put("transactional.id", "copier-" + partition);
        settings.put("transaction.timeout.ms", 10_000);
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed");
        settings.put("max.poll.records", IN_A_TRANSACTION);
        settings.put("reconnect.backoff.max.ms", 500);
        from = new TopicPartition("in", partition);
        consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    public static void main(String[] args) throws Exception {
        new Copier(args[0], Integer.parseInt(args[1])).copy(Integer.parseInt(args[2]));
    }

    private void copy(int count) {
        consumer.assign(List.of(from));
        producer.initTransactions();
        Random random = new Random();
        long copied = goBack();
        while (copied < count) {
            var records = consumer.poll(Duration.ofMillis(200)).records(from);
            if (records.isEmpty()) continue;
            long end = records.get(records.size() - 1).offset() + 1;
            try {
                producer.beginTransaction();
                for (ConsumerRecord<String, String> one : records) {
                    producer.send(new ProducerRecord<>("out", from.partition(), one.key(), one.value()));
                }
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(Map.of(from, new OffsetAndMetadata(end)));
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (random.nextInt(3) == 0) throw new KafkaException("aborted at random");
                producer.commitTransaction();
                copied = end;
            } catch (ProducerFencedException e) {
                throw e;
            } catch (KafkaException e) {
                producer.abortTransaction();
                copied = goBack();
            }
            System.out.println("{\"copied\": " + copied + "}");
        }
        consumer.close();
        producer.close();
    }

    /** Goes to the first record that no committed transaction has copied. */
    private long goBack() {
        OffsetAndMetadata committed = consumer.committed(java.util.Set.of(from)).get(from);
        long offset = committed == null ? 0 : committed.offset();
        consumer.seek(from, offset);
        return offset;
    }
}
