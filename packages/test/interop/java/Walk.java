import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.common.utils.internals.AppInfoParser;

/** Walk through an interface: runs checks in order, and prints a JSON line for each (see src/scoreboard/walk.ts). */
final class Walk {
    interface Body {
        void run() throws Exception;
    }

    interface Call<T> {
        T call() throws Exception;
    }

    private static final ObjectMapper JSON = new ObjectMapper();
    final String server;
    /** First words of the names of all checks so far. */
    final Set<String> tried = new LinkedHashSet<>();
    private final List<String> seen = new ArrayList<>();

    Walk(String server) {
        this.server = server;
        System.out.println(JSON.createObjectNode().put("version", AppInfoParser.getVersion()));
    }

    /** Settings of every client: bootstrap servers and short timeouts. */
    Map<String, Object> settings(Map<String, Object> more) {
        Map<String, Object> all = new java.util.HashMap<>(more);
        all.put("bootstrap.servers", server);
        all.put("default.api.timeout.ms", 10_000);
        all.put("request.timeout.ms", 8_000);
        return all;
    }

    /** Adds a line to what the check has seen, which the judge compares between brokers. */
    void saw(Object line) {
        seen.add(String.valueOf(line));
    }

    boolean check(String name, Body body) {
        tried.add(name.split(" ")[0]);
        seen.clear();
        ObjectNode line = JSON.createObjectNode().put("check", name);
        try {
            body.run();
            line.put("ok", true);
        } catch (Throwable e) {
            Throwable cause = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
            line.put("ok", false).put("reason", cause.getClass().getSimpleName() + ": " + cause.getMessage());
        }
        if (!seen.isEmpty()) seen.forEach(line.putArray("seen")::add);
        System.out.println(line);
        return line.get("ok").asBoolean();
    }

    static void equal(String what, Object found, Object expected) {
        if (!Objects.equals(found, expected)) throw new AssertionError(what + " is " + found + ", not " + expected);
    }

    static void need(boolean holds, String what) {
        if (!holds) throw new AssertionError("not so: " + what);
    }

    /** Passes if `body` throws the expected exception, directly or as a cause. */
    static void refused(Class<? extends Throwable> expected, Body body) throws Exception {
        try {
            body.run();
        } catch (Throwable e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) if (expected.isInstance(cause)) return;
            throw e;
        }
        throw new AssertionError("not refused with " + expected.getSimpleName());
    }

    /** Repeats a call until `holds` accepts the answer, for up to three heartbeats of the consumer protocol. */
    static <T> T until(String what, Call<T> call, java.util.function.Predicate<T> holds) throws Exception {
        long end = System.currentTimeMillis() + 20_000;
        for (;;) {
            T found = call.call();
            if (holds.test(found)) return found;
            if (System.currentTimeMillis() > end) throw new AssertionError(what + ", at last " + found);
            Thread.sleep(50);
        }
    }
}
