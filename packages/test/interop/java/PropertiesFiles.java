import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Properties;
import java.util.TreeMap;

/** Reads properties files: an input line is a file in hex, an output line "ok" with its pairs in hex, or "error". */
public class PropertiesFiles {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 16);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) out.println(pairs(HexFormat.of().parseHex(line)));
        out.flush();
    }

    private static String pairs(byte[] file) throws Exception {
        try {
            Properties properties = new Properties();
            properties.load(new ByteArrayInputStream(file));
            StringBuilder text = new StringBuilder("ok");
            new TreeMap<>(properties).forEach((key, value) -> text.append(' ').append(hex(key)).append('=').append(hex(value)));
            return text.toString();
        } catch (IllegalArgumentException e) {
            return "error";
        }
    }

    private static String hex(Object text) {
        return HexFormat.of().formatHex(((String) text).getBytes(StandardCharsets.UTF_16BE));
    }
}
