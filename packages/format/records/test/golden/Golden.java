// Writes the golden vectors beside this file. Needs kafka-clients 4.4.0 and its dependencies on the class path:
//   java -cp "lib/*" Golden.java > vectors.json
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

public class Golden {
  static boolean first = true;

  static byte[] utf8(String text) { return text.getBytes(StandardCharsets.UTF_8); }

  static void print(String name, MemoryRecords records) {
    ByteBuffer buffer = records.buffer().duplicate();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    System.out.println((first ? "" : ",") + "{\"name\":\"" + name + "\",\"base64\":\"" + Base64.getEncoder().encodeToString(bytes) + "\"}");
    first = false;
  }

  static MemoryRecords batch(Compression compression, int count) {
    MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) 2, compression,
        TimestampType.CREATE_TIME, 1000L, -1L, 4711L, (short) 3, 17, false, 5);
    for (int i = 0; i < count; i++) {
      Header[] headers = i % 3 == 0 ? new Header[0]
          : new Header[] {new RecordHeader("h" + i, utf8("v" + i)), new RecordHeader("\u00fc", (byte[]) null)};
      builder.append(1700000000000L + (i * 7919L) % 1000, i % 5 == 0 ? null : utf8("key-" + i),
          i % 7 == 3 ? null : utf8("value " + i + " " + "lorem ipsum ".repeat(i % 4)), headers);
    }
    return builder.build();
  }

  public static void main(String[] args) {
    System.out.println("[");
    print("none", batch(Compression.NONE, 20));
    print("gzip", batch(Compression.gzip().build(), 20));
    print("snappy", batch(Compression.snappy().build(), 20));
    print("lz4", batch(Compression.lz4().build(), 20));
    print("zstd", batch(Compression.zstd().build(), 20));
    print("lz4-large", batch(Compression.lz4().build(), 1200));
    print("snappy-large", batch(Compression.snappy().build(), 1200));
    print("commit", MemoryRecords.withEndTransactionMarker(7L, 1700000000000L, 2, 4711L, (short) 3,
        new EndTransactionMarker(ControlRecordType.COMMIT, 9)));
    print("abort", MemoryRecords.withEndTransactionMarker(8L, 1700000000001L, 2, 4711L, (short) 3,
        new EndTransactionMarker(ControlRecordType.ABORT, 9)));
    System.out.println("]");
  }
}
