import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.AlterConfigPolicy;
import org.apache.kafka.server.policy.CreateTopicPolicy;

/**
 * Policies that object to every topic and setting that a test has marked, and say what they have been asked. A test has the same
 * in JavaScript (`policies.test.ts`).
 */
public final class Policies {
    private Policies() {}

    private static void judge(String mark, String asked) {
        if (mark.contains("refused")) throw new PolicyViolationException(asked);
        if (mark.contains("invalid")) throw new InvalidConfigurationException(asked);
        if (mark.contains("broken")) throw new IllegalStateException("a secret");
    }

    private static String textOf(Map<?, ?> map) {
        TreeMap<String, String> sorted = new TreeMap<>();
        map.forEach((key, value) -> sorted.put(String.valueOf(key), String.valueOf(value).replace(", ", ",")));
        return String.join(";", sorted.entrySet().stream().map(one -> one.getKey() + "=" + one.getValue()).toList());
    }

    public static final class Topics implements CreateTopicPolicy {
        @Override
        public void configure(Map<String, ?> configs) {}

        @Override
        public void validate(RequestMetadata asked) {
            String replicas = asked.replicasAssignments() == null ? "null" : textOf(asked.replicasAssignments());
            judge(asked.topic(), String.join(" ", asked.topic(), String.valueOf(asked.numPartitions()),
                String.valueOf(asked.replicationFactor()), replicas, textOf(asked.configs())));
        }

        @Override
        public void close() {}
    }

    public static final class Settings implements AlterConfigPolicy {
        @Override
        public void configure(Map<String, ?> configs) {}

        @Override
        public void validate(RequestMetadata asked) {
            String configs = textOf(asked.configs());
            String marked = configs.contains("77777") ? "refused" : configs.contains("66666") ? "invalid" : configs.contains("55555") ? "broken" : "";
            judge(marked, asked.resource().type() + " " + asked.resource().name() + " " + configs);
        }

        @Override
        public void close() {}
    }
}
