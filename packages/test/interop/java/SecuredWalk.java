import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.StringReader;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Connects in each of the ways of a file that src/samsa-client/secured-cases.ts has written. */
public class SecuredWalk {
    public static void main(String[] args) throws Exception {
        Walk walk = new Walk("");
        JsonNode ways = new ObjectMapper().readTree(new File(args[0]));
        // A client reads tokens only from addresses that its process allows.
        List<String> files = ways.findValuesAsText("tokenFile");
        System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.urls",
                files.stream().map(file -> "file://" + file).collect(Collectors.joining(",")));
        for (JsonNode way : ways) {
            walk.check(way.get("name").asText(), () -> {
                if (!way.has("refused")) exchange(way);
                else if (way.get("refused").asText().equals("credentials")) {
                    Walk.refused(SaslAuthenticationException.class, () -> asks(way));
                } else Walk.refused(SslAuthenticationException.class, () -> asks(way));
            });
        }
    }

    private static Properties settings(JsonNode way) throws IOException {
        Properties all = new Properties();
        all.load(new StringReader(way.get("properties").asText()));
        all.put("bootstrap.servers", way.get("server").asText());
        all.put("default.api.timeout.ms", 10_000);
        all.put("request.timeout.ms", 8_000);
        return all;
    }

    private static void asks(JsonNode way) throws Exception {
        try (Admin admin = Admin.create(settings(way))) {
            admin.listTopics().names().get(15, TimeUnit.SECONDS);
        }
    }

    /** Sends a record and reads it. */
    private static void exchange(JsonNode way) throws Exception {
        String topic = way.get("topic").asText();
        String value = UUID.randomUUID().toString();
        Properties settings = settings(way);
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, value)).get(15, TimeUnit.SECONDS);
        }
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            long end = System.currentTimeMillis() + 15_000;
            while (System.currentTimeMillis() < end) {
                for (var found : consumer.poll(Duration.ofMillis(200))) if (found.value().equals(value)) return;
            }
        }
        throw new AssertionError("the record has not come");
    }
}
