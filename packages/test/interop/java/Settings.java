import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.DynamicConfig;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * Kafka's definitions of settings. Prints a line for each, "setting scope name type internal updateMode default" with
 * the default in hex, "none" or "null". Then, for each input line "scope name hex", prints the value as Kafka parses it:
 * "ok hex", or "error" with a reason.
 */
public class Settings {
    private static final Map<String, Map<String, ConfigDef.ConfigKey>> SCOPES = new HashMap<>();

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        Map<String, ConfigDef.ConfigKey> broker = new HashMap<>(DynamicConfig.Broker.configKeys());
        broker.putAll(AbstractKafkaConfig.CONFIG_DEF.configKeys());
        SCOPES.put("broker", broker);
        SCOPES.put("topic", LogConfig.configDefCopy().configKeys());
        SCOPES.put("group", GroupConfig.CONFIG_DEF.configKeys());
        SCOPES.put("client-metrics", ClientMetricsConfigs.configDef().configKeys());
        SCOPES.forEach((scope, keys) -> keys.values().forEach(key -> out.println(describe(scope, key))));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 16);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", -1);
            String value = new String(HexFormat.of().parseHex(words[2]), StandardCharsets.UTF_8);
            out.println(verdict(SCOPES.get(words[0]).get(words[1]), value));
        }
        out.flush();
    }

    private static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String describe(String scope, ConfigDef.ConfigKey key) {
        String value = key.defaultValue == ConfigDef.NO_DEFAULT_VALUE ? "none"
            : key.defaultValue == null ? "null" : hex(ConfigDef.convertToString(key.defaultValue, key.type));
        String mode = scope.equals("broker") ? DynamicBrokerConfig.dynamicConfigUpdateModes().getOrDefault(key.name, "read-only") : "-";
        return String.join(" ", "setting", scope, key.name, key.type.name().toLowerCase(), String.valueOf(key.internalConfig), mode, value);
    }

    private static String verdict(ConfigDef.ConfigKey key, String value) {
        try {
            ConfigDef only = new ConfigDef().define(key);
            return "ok " + hex(ConfigDef.convertToString(only.parse(Map.of(key.name, value)).get(key.name), key.type));
        } catch (RuntimeException e) {
            return "error " + String.valueOf(e.getMessage()).replace('\n', ' ');
        }
    }
}
