import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Writes vectors.jsonl: for each message named on standard input (a line "class first last") and each of its versions,
 * the bytes that Kafka's own classes write, and the same value as their JSON converters print it. Fields are filled
 * by reflection, always alike; what a version cannot carry is reset to its default until the message can be written.
 *
 * <p>With the jars of Kafka 4.4.0 (clients, metadata, group, transaction and share coordinators, raft), slf4j-api and
 * jackson-databind in jars/: java -cp 'jars/*' Golden.java vectors.jsonl < messages.txt
 */
public class Golden {
    static int counter;

    public static void main(String[] args) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        ArrayNode all = mapper.createArrayNode();
        for (String line : new String(System.in.readAllBytes()).split("\n")) {
            String[] words = line.trim().split(" ");
            Class<?> type = Class.forName(words[0]);
            for (short version = Short.parseShort(words[1]); version <= Short.parseShort(words[2]); version++) {
                counter = 0;
                Message message = (Message) type.getDeclaredConstructor().newInstance();
                fill(message, version);
                ObjectNode vector = all.addObject();
                vector.put("message", type.getSimpleName().replaceAll("(Request|Response)Data$", "$1"));
                vector.put("version", version);
                vector.put("hex", hex(message, version));
                vector.set("json", json(type, message, version));
            }
        }
        StringBuilder text = new StringBuilder();
        for (JsonNode vector : all) text.append(vector).append("\n");
        java.nio.file.Files.writeString(new File(args[0]).toPath(), text);
    }

    static String hex(Message message, short version) {
        ByteBufferAccessor bytes = MessageUtil.toByteBufferAccessor(message, version);
        ByteBuffer buffer = bytes.buffer();
        byte[] array = new byte[buffer.remaining()];
        buffer.get(array);
        return HexFormat.of().formatHex(array);
    }

    static JsonNode json(Class<?> type, Message message, short version) throws Exception {
        Class<?> converter = Class.forName(type.getName() + "JsonConverter");
        return (JsonNode) converter.getMethod("write", type, short.class, boolean.class).invoke(null, message, version, true);
    }

    static boolean writable(Message message, short version) {
        try {
            hex(message, version);
            return true;
        } catch (UnsupportedVersionException e) {
            return false;
        } catch (NullPointerException e) {
            return true; // Record batches that come later have not been filled yet.
        }
    }

    static Object value(Class<?> type, Type generic, short version) throws Exception {
        int n = ++counter;
        if (type == boolean.class) return true;
        if (type == byte.class) return (byte) (n % 100);
        if (type == short.class) return (short) (n * 7);
        if (type == int.class) return n * 61 % 65536; // Ports are ints too.
        if (type == long.class) return n * 10000000001L;
        if (type == double.class) return n + 0.5;
        if (type == String.class) return "s" + n + (n % 3 == 0 ? "é" : "");
        if (type == Uuid.class) return new Uuid(0x4000L | ((long) n << 40), 0x8000000000000000L | n);
        if (type == byte[].class) return new byte[] {1, (byte) n, -1};
        if (type == ByteBuffer.class) return ByteBuffer.wrap(new byte[] {1, (byte) n, -1});
        if (org.apache.kafka.common.record.internal.BaseRecords.class.isAssignableFrom(type)) {
            return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {9, (byte) n, 8}));
        }
        if (java.util.Collection.class.isAssignableFrom(type)) return collection(type, generic, version);
        return struct(type, version);
    }

    static Object struct(Class<?> type, short version) throws Exception {
        Constructor<?> constructor = type.getDeclaredConstructor();
        Object value = constructor.newInstance();
        if (value instanceof Message) fill((Message) value, version);
        return value;
    }

    /** A struct is a message of its own, so each of its fields can be tried by itself. */
    static void fill(Message value, short version) throws Exception {
        for (Field field : value.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || field.getName().equals("_unknownTaggedFields")) continue;
            if (field.getName().equals("next") || field.getName().equals("prev")) continue;
            field.setAccessible(true);
            Object before = field.get(value);
            Object filled = value(field.getType(), field.getGenericType(), version);
            field.set(value, filled);
            if (!writable(value, version)) field.set(value, before);
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static Object collection(Class<?> type, Type generic, short version) throws Exception {
        if (generic instanceof ParameterizedType parameterized) {
            Class<?> element = (Class<?>) parameterized.getActualTypeArguments()[0];
            List list = new ArrayList();
            for (int i = 0; i < 2; i++) list.add(boxed(element, version));
            return list;
        }
        java.util.Collection keyed = (java.util.Collection) type.getDeclaredConstructor().newInstance();
        ParameterizedType parent = (ParameterizedType) type.getGenericSuperclass();
        Class<?> element = (Class<?>) parent.getActualTypeArguments()[0];
        for (int i = 0; i < 2; i++) keyed.add(struct(element, version));
        return keyed;
    }

    static Object boxed(Class<?> element, short version) throws Exception {
        if (element == Integer.class) return value(int.class, null, version);
        if (element == Long.class) return value(long.class, null, version);
        if (element == Short.class) return value(short.class, null, version);
        if (element == Byte.class) return value(byte.class, null, version);
        return value(element, null, version);
    }
}
