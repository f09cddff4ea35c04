import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.message.ShareFetchResponseData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;
import org.apache.kafka.common.record.internal.AbstractRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.AbstractRequest;
import org.apache.kafka.common.requests.AbstractResponse;

/**
 * Kafka's own JSON converters of messages and of coordinator records. For each line of standard input there is a line of
 * standard output: {"encode", "version", "correlationId", "body"} gives {"hex"}, a request with its header; {"decode",
 * "version", "hex"} gives {"body"} of a response; {"fail", "version", "body",
 * "code"} gives the {"body"} of the response to a request that fails with that error; {"key", "value", "of"} gives both as JSON, for a record of a "group",
 * "share" or "transaction" coordinator. Failures give {"error"}.
 */
public class MessageJson {
    private static final ObjectMapper JSON = new ObjectMapper().enable(JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS);
    private static final Map<String, Method> METHODS = new HashMap<>();
    private static final Map<String, String> COORDINATORS = Map.of(
            "group", "org.apache.kafka.coordinator.group.generated.",
            "share", "org.apache.kafka.coordinator.share.generated.",
            "transaction", "org.apache.kafka.coordinator.transaction.generated.");

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                answer(JSON.readTree(line), answer);
            } catch (Throwable error) {
                Throwable root = error;
                while (root.getCause() != null) root = root.getCause();
                answer.removeAll().put("error", root.toString());
            }
            System.out.println(JSON.writeValueAsString(answer));
        }
    }

    private static void answer(JsonNode question, ObjectNode answer) throws Exception {
        if (question.has("of")) {
            record(question, answer);
            return;
        }
        short version = (short) question.get("version").asInt();
        if (question.has("encode")) {
            ApiMessageType type = type(question.get("encode").asText());
            ApiMessage body = (ApiMessage) read(type.name + "Request").invoke(null, question.get("body"), version);
            RequestHeaderData header = new RequestHeaderData()
                    .setRequestApiKey(type.apiKey()).setRequestApiVersion(version)
                    .setCorrelationId(question.get("correlationId").asInt()).setClientId("raw");
            answer.put("hex", encode(header, type.requestHeaderVersion(version)) + encode(body, version));
        } else if (question.has("fail")) {
            ApiMessageType type = type(question.get("fail").asText());
            ApiMessage body = (ApiMessage) read(type.name + "Request").invoke(null, question.get("body"), version);
            ApiKeys key = ApiKeys.forId(type.apiKey());
            AbstractRequest request = AbstractRequest.parseRequest(key, version, bytes(encode(body, version))).request;
            Errors error = Errors.forCode((short) question.get("code").asInt());
            AbstractResponse response = request.getErrorResponse(0, error.exception());
            String name = "org.apache.kafka.common.message." + type.name + "ResponseData";
            if (response == null) answer.putNull("body");
            else answer.set("body", json(name, response.data(), version));
        } else {
            ApiMessageType type = type(question.get("decode").asText());
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(question.get("hex").asText()));
            ByteBufferAccessor readable = new ByteBufferAccessor(bytes);
            new ResponseHeaderData(readable, type.responseHeaderVersion(version));
            String name = "org.apache.kafka.common.message." + type.name + "ResponseData";
            Message body = parse(name, readable, version);
            answer.set("body", json(name, body, version));
            // The converters omit records.
            if (body instanceof FetchResponseData fetched) {
                ArrayNode records = answer.putArray("records");
                for (var topic : fetched.responses()) {
                    for (var partition : topic.partitions()) records.add(hex((AbstractRecords) partition.records()));
                }
            }
            if (body instanceof ShareFetchResponseData fetched) {
                ArrayNode records = answer.putArray("records");
                for (var topic : fetched.responses()) {
                    for (var partition : topic.partitions()) records.add(hex((AbstractRecords) partition.records()));
                }
            }
            if (bytes.hasRemaining()) answer.put("error", bytes.remaining() + " bytes are left");
        }
    }

    private static void record(JsonNode question, ObjectNode answer) throws Exception {
        String coordinator = question.get("of").asText();
        ByteBufferAccessor key = bytes(question.get("key").asText());
        short id = key.readShort();
        answer.put("type", id);
        Class<?> types = Class.forName(COORDINATORS.get(coordinator) + "CoordinatorRecordType");
        Object type = types.getMethod("fromId", short.class).invoke(null, id);
        Class<?> converters = Class.forName(COORDINATORS.get(coordinator) + "CoordinatorRecordJsonConverters");
        ApiMessage keyData = (ApiMessage) types.getMethod("newRecordKey").invoke(type);
        keyData.read(key, (short) 0);
        answer.set("key", (JsonNode) converters.getMethod("writeRecordKeyAsJson", ApiMessage.class).invoke(null, keyData));
        if (question.get("value").isNull()) {
            answer.putNull("value");
            return;
        }
        ByteBufferAccessor value = bytes(question.get("value").asText());
        short version = value.readShort();
        ApiMessage valueData = (ApiMessage) types.getMethod("newRecordValue").invoke(type);
        valueData.read(value, version);
        Method write = converters.getMethod("writeRecordValueAsJson", ApiMessage.class, short.class);
        answer.set("value", (JsonNode) write.invoke(null, valueData, version));
        answer.put("version", version);
    }

    private static String hex(AbstractRecords records) {
        if (records == null) return "";
        ByteBuffer bytes = ((MemoryRecords) records).buffer();
        byte[] copy = new byte[bytes.remaining()];
        bytes.get(copy);
        return HexFormat.of().formatHex(copy);
    }

    private static ByteBufferAccessor bytes(String hex) {
        return new ByteBufferAccessor(ByteBuffer.wrap(HexFormat.of().parseHex(hex)));
    }

    private static String encode(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer bytes = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(bytes), cache, version);
        return HexFormat.of().formatHex(bytes.array(), 0, bytes.position());
    }

    private static Message parse(String name, Readable from, short version) throws Exception {
        return (Message) Class.forName(name).getConstructor(Readable.class, short.class).newInstance(from, version);
    }

    private static JsonNode json(String name, Message body, short version) throws Exception {
        Method write = METHODS.computeIfAbsent("write " + name, key -> method(name + "JsonConverter", "write", 2));
        return (JsonNode) write.invoke(null, body, version);
    }

    private static Method read(String name) {
        return METHODS.computeIfAbsent("read " + name,
                key -> method("org.apache.kafka.common.message." + name + "DataJsonConverter", "read", 2));
    }

    private static Method method(String type, String name, int parameters) {
        try {
            for (Method method : Class.forName(type).getMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == parameters) return method;
            }
        } catch (ClassNotFoundException error) {
            throw new IllegalArgumentException(error);
        }
        throw new IllegalArgumentException(type + " has no " + name);
    }

    private static ApiMessageType type(String api) {
        for (ApiMessageType type : ApiMessageType.values()) if (type.name.equals(api)) return type;
        throw new IllegalArgumentException("there is no API " + api);
    }
}
