import java.io.FileWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.kafka.server.telemetry.ClientTelemetryExporter;
import org.apache.kafka.server.telemetry.ClientTelemetryExporterProvider;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.KeyValue;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Metric;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.MetricsData;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.NumberDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ResourceMetrics;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ScopeMetrics;

/**
 * Plugin of a broker that appends the metrics that clients push (KIP-714) to the file of the system property
 * "telemetry.file": lines "client instance terminating kind name value attributes", and "client instance terminating" for
 * a push without metrics.
 */
public class TelemetryToFile implements MetricsReporter, ClientTelemetryExporterProvider {
    private static synchronized void append(String text) {
        String file = System.getProperty("telemetry.file");
        try (PrintWriter out = new PrintWriter(new FileWriter(file, StandardCharsets.UTF_8, true))) {
            out.print(text);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void describe(StringBuilder text, String client, Metric metric, List<KeyValue> resource) {
        boolean isSum = metric.hasSum();
        for (NumberDataPoint point : isSum ? metric.getSum().getDataPointsList() : metric.getGauge().getDataPointsList()) {
            text.append(client).append(isSum ? " sum " : " gauge ").append(metric.getName());
            text.append(' ').append(point.getAsDouble());
            for (KeyValue one : resource) text.append(' ').append(attribute(one));
            for (KeyValue one : point.getAttributesList()) text.append(' ').append(attribute(one));
            text.append('\n');
        }
    }

    private static String attribute(KeyValue one) {
        return one.getKey() + "=" + one.getValue().getStringValue();
    }

    @Override
    public ClientTelemetryExporter clientTelemetryExporter() {
        return (context, payload) -> {
            try {
                String client = context.authorizableRequestContext().clientId() + " " + payload.clientInstanceId() + " "
                    + payload.isTerminating();
                StringBuilder text = new StringBuilder(client).append('\n');
                for (ResourceMetrics all : MetricsData.parseFrom(payload.data()).getResourceMetricsList()) {
                    for (ScopeMetrics scope : all.getScopeMetricsList()) {
                        for (Metric metric : scope.getMetricsList()) {
                            describe(text, client, metric, all.getResource().getAttributesList());
                        }
                    }
                }
                append(text.toString());
            } catch (IOException e) {
                append("unreadable " + e.getMessage() + "\n");
            }
        };
    }

    @Override
    public void init(List<KafkaMetric> metrics) {}

    @Override
    public void metricChange(KafkaMetric metric) {}

    @Override
    public void metricRemoval(KafkaMetric metric) {}

    @Override
    public void close() {}

    @Override
    public void configure(Map<String, ?> configs) {}
}
