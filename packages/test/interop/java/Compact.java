import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.Cleaner;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogToClean;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.internals.utils.Throttler;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/**
 * Compacts logs with Kafka's own cleaner. For an input line "directory now firstDirty firstUncleanable segmentBytes
 * retentionMs clock" the output line is the first offset that was not compacted. All records of a log are below its high
 * watermark.
 */
public class Compact {
    private static final int MAP_BYTES = 1 << 20;
    private static final int BUFFER_BYTES = 1 << 16;
    private static final int DAY_MS = 86_400_000;

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        Throttler throttler = new Throttler(Double.MAX_VALUE, 1000, "compact", "bytes", Time.SYSTEM);
        Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(MAP_BYTES), BUFFER_BYTES, BUFFER_BYTES, 0.9, throttler, Time.SYSTEM, p -> { });
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            UnifiedLog log = open(words, scheduler);
            log.updateHighWatermark(log.logEndOffset());
            LogToClean dirty = new LogToClean(log, Long.parseLong(words[2]), Long.parseLong(words[3]), false);
            System.out.println(cleaner.doClean(dirty, Long.parseLong(words[1])).getKey());
            log.close();
        }
        scheduler.shutdown();
        System.exit(0);
    }

    /** Clock that stands still, so that old producers do not expire. */
    private static Time at(long now) {
        InvocationHandler calls = (proxy, method, args) ->
            method.getName().equals("milliseconds") ? (Object) now : method.invoke(Time.SYSTEM, args);
        return (Time) Proxy.newProxyInstance(Time.class.getClassLoader(), new Class<?>[] {Time.class}, calls);
    }

    private static UnifiedLog open(String[] words, KafkaScheduler scheduler) throws Exception {
        Properties properties = new Properties();
        properties.put("cleanup.policy", "compact");
        properties.put("internal.segment.bytes", words[4]);
        properties.put("delete.retention.ms", words[5]);
        ProducerStateManagerConfig producers = new ProducerStateManagerConfig(DAY_MS, true);
        return UnifiedLog.create(new File(words[0]), new LogConfig(properties), 0L, 0L, scheduler, new BrokerTopicStats(false),
            at(Long.parseLong(words[6])), DAY_MS, producers, DAY_MS, new LogDirFailureChannel(10), true, Optional.empty());
    }
}
