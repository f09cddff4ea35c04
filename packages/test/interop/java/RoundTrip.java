import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

/**
 * Reads messages with Kafka's own classes and writes them again. For an input line "class readVersion writeVersion hex"
 * the output line is the written message in hex, "unsupported" if the version lacks a field, or "error" with a reason.
 */
public class RoundTrip {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 16);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        Map<String, Constructor<?>> constructors = new HashMap<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 4);
            Constructor<?> constructor = constructors.get(words[0]);
            if (constructor == null) {
                constructor = Class.forName(words[0]).getDeclaredConstructor();
                constructors.put(words[0], constructor);
            }
            out.println(answer((Message) constructor.newInstance(), words));
        }
        out.flush();
    }

    private static String answer(Message message, String[] words) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(words[3]));
            message.read(new ByteBufferAccessor(bytes), Short.parseShort(words[1]));
            if (bytes.hasRemaining()) return "error " + bytes.remaining() + " bytes left over";
            return written(message, Short.parseShort(words[2]));
        } catch (RuntimeException e) {
            return "error " + e.toString().replace('\n', ' ');
        }
    }

    private static String written(Message message, short version) {
        try {
            ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
            byte[] bytes = new byte[buffer.remaining()];
            buffer.get(bytes);
            return HexFormat.of().formatHex(bytes);
        } catch (UnsupportedVersionException | NullPointerException e) {
            // The generated code checks nulls only where it dereferences them.
            return "unsupported";
        }
    }
}
