import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.internals.BufferSupplier;
import org.apache.kafka.common.utils.internals.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.internals.CloseableIterator;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/**
 * Reads record batches with Kafka's own classes. An input line is "read hex", to read as a consumer, or "judge codec
 * timestampType compacted beforeMaxMs afterMaxMs now hex", to validate as a leader before an append. An output line is
 * "ok" with the records (for a leader, after the batch as it would be stored), or "error" with Kafka's code and reason.
 */
public class Batches {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 16);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", -1);
            out.println(answer(() -> words[0].equals("read") ? read(words[1]) : judge(words)));
        }
        out.flush();
    }

    private static String answer(Supplier<String> work) {
        try {
            return "ok " + work.get();
        } catch (RecordValidationException e) {
            String records = e.recordErrors().stream().map(r -> String.valueOf(r.batchIndex)).collect(Collectors.joining(","));
            return "error " + Errors.forException(e.invalidException()).code() + " " + records;
        } catch (Throwable e) {
            return "error " + Errors.forException(e).code() + "  " + e.toString().replace('\n', ' ');
        }
    }

    private static MemoryRecords recordsOf(String hex) {
        return MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(hex)));
    }

    private static String read(String hex) {
        StringBuilder text = new StringBuilder();
        for (MutableRecordBatch batch : recordsOf(hex).batches()) {
            batch.ensureValid();
            try (CloseableIterator<Record> records = batch.streamingIterator(BufferSupplier.create())) {
                while (records.hasNext()) describe(records.next(), text);
            }
        }
        return text.toString();
    }

    private static void describe(Record record, StringBuilder text) {
        text.append(record.offset()).append(',').append(record.timestamp()).append(',');
        text.append(hex(record.key())).append(',').append(hex(record.value()));
        for (Header header : record.headers()) {
            byte[] value = header.value();
            text.append(',').append(HexFormat.of().formatHex(header.key().getBytes(StandardCharsets.UTF_8))).append('=');
            text.append(value == null ? "-" : HexFormat.of().formatHex(value));
        }
        text.append(';');
    }

    private static String hex(ByteBuffer buffer) {
        if (buffer == null) return "-";
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    private static String judge(String[] words) {
        MemoryRecords records = recordsOf(words[7]);
        ProduceRequest.validateRecords((short) 9, records);
        Iterator<MutableRecordBatch> batches = records.batches().iterator();
        MutableRecordBatch batch = batches.next();
        if (batch.baseOffset() != 0) throw new org.apache.kafka.common.InvalidRecordException("base offset");
        batch.ensureValid();
        CompressionType source = batch.compressionType();
        ByteBuffer trimmed = ByteBuffer.wrap(HexFormat.of().parseHex(words[7]));
        trimmed.limit(batch.sizeInBytes());
        Compression target = Compression.of(words[1].equals("producer") ? source : CompressionType.forId(Integer.parseInt(words[1]))).build();
        LogValidator validator = new LogValidator(MemoryRecords.readableRecords(trimmed), new TopicPartition("t", 0),
            new At(Long.parseLong(words[6])), source, target, Boolean.parseBoolean(words[3]), RecordBatch.MAGIC_VALUE_V2,
            TimestampType.forName(words[2]), Long.parseLong(words[4]), Long.parseLong(words[5]), 7, AppendOrigin.CLIENT);
        LogValidator.ValidationResult result = validator.validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(1000), new Nothing(), BufferSupplier.create());
        ByteBuffer stored = result.validatedRecords().buffer();
        String bytes = hex(stored);
        return result.maxTimestampMs() + " " + bytes + " " + read(bytes);
    }

    /** Clock that stands still. */
    private record At(long milliseconds) implements Time {
        public long nanoseconds() { return milliseconds * 1_000_000; }
        public void sleep(long ms) { }
    }

    private static class Nothing implements LogValidator.MetricsRecorder {
        public void recordInvalidMagic() { }
        public void recordInvalidOffset() { }
        public void recordInvalidSequence() { }
        public void recordInvalidChecksums() { }
        public void recordNoKeyCompactedTopic() { }
    }
}
