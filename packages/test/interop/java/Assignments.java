import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;

/**
 * Kafka's assignors. An input line {"assignor", "topics": {name: [[rack]]}, "members": [{"id", "instanceId",
 * "subscription" in hex}]} gives an output line with the partitions of each member, as {id: ["topic/partition"]}.
 */
public class Assignments {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 16);
        StringBuilder out = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) out.append(answer(JSON.readTree(line))).append('\n');
        System.out.print(out);
    }

    private static ConsumerPartitionAssignor assignor(String name) {
        return switch (name) {
            case "range" -> new RangeAssignor();
            case "roundrobin" -> new RoundRobinAssignor();
            case "sticky" -> new StickyAssignor();
            default -> new CooperativeStickyAssignor();
        };
    }

    private static String answer(JsonNode question) throws Exception {
        Map<String, Node> nodes = new HashMap<>();
        List<PartitionInfo> partitions = new ArrayList<>();
        question.get("topics").properties().forEach(topic -> {
            int index = 0;
            for (JsonNode racks : topic.getValue()) {
                List<Node> replicas = new ArrayList<>();
                for (JsonNode rack : racks) replicas.add(nodes.computeIfAbsent(rack.asText(), r -> new Node(nodes.size(), "h", 1, r)));
                Node[] array = replicas.toArray(new Node[0]);
                partitions.add(new PartitionInfo(topic.getKey(), index++, array.length == 0 ? Node.noNode() : array[0], array, array));
            }
        });
        Cluster cluster = new Cluster("c", nodes.values(), partitions, Set.of(), new LinkedHashSet<>());
        Map<String, Subscription> subscriptions = new HashMap<>();
        for (JsonNode member : question.get("members")) {
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(member.get("subscription").asText()));
            Subscription subscription = ConsumerProtocol.deserializeSubscription(bytes);
            if (!member.get("instanceId").isNull()) subscription.setGroupInstanceId(Optional.of(member.get("instanceId").asText()));
            subscriptions.put(member.get("id").asText(), subscription);
        }
        ObjectNode result = JSON.createObjectNode();
        var assigned = assignor(question.get("assignor").asText()).assign(cluster, new GroupSubscription(subscriptions)).groupAssignment();
        new TreeMap<>(assigned).forEach((id, assignment) -> {
            ArrayNode list = result.putArray(id);
            assignment.partitions().stream().map(p -> p.topic() + "/" + p.partition()).sorted().forEach(list::add);
        });
        return JSON.writeValueAsString(result);
    }
}
