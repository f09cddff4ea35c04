import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs Kafka's tools one after the other in one process, which is much faster than a process for each. For each line of
 * standard input, {"main", "args", "input"}, there is a line of standard output: {"code", "out", "err"}. The code is
 * null if the tool ends the whole process, whose exit code it then is.
 */
public class ScriptRunner {
    private static final List<String> EXITS = List.of(
            "org.apache.kafka.common.utils.Exit", "org.apache.kafka.common.utils.internals.Exit");
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream NOWHERE = new PrintStream(OutputStream.nullOutputStream());

    private static final List<Runnable> HOOKS = new ArrayList<>();
    private static ByteArrayOutputStream out;
    private static ByteArrayOutputStream err;
    private static volatile Integer code;
    private static volatile boolean isRunning;

    private static class Ended extends Error {
        Ended() {
            super("the tool has ended");
        }
    }

    /** Keeps the first exit code; what the tool prints afterwards does not count. */
    private static void end(int status) {
        if (code != null) return;
        System.out.flush();
        System.err.flush();
        code = status;
        System.setOut(NOWHERE);
        System.setErr(NOWHERE);
    }

    private static void intercept(String name) throws Exception {
        Class<?> exit;
        try {
            exit = Class.forName(name);
        } catch (ClassNotFoundException e) {
            return;
        }
        Class<?> procedure = Class.forName(name + "$Procedure");
        Class<?> adder = Class.forName(name + "$ShutdownHookAdder");
        ClassLoader loader = ScriptRunner.class.getClassLoader();
        Object ending = Proxy.newProxyInstance(loader, new Class<?>[] {procedure}, (proxy, method, arguments) -> {
            end((Integer) arguments[0]);
            throw new Ended();
        });
        Object adding = Proxy.newProxyInstance(loader, new Class<?>[] {adder}, (proxy, method, arguments) -> {
            HOOKS.add((Runnable) arguments[1]);
            return null;
        });
        exit.getMethod("setExitProcedure", procedure).invoke(null, ending);
        exit.getMethod("setHaltProcedure", procedure).invoke(null, ending);
        exit.getMethod("setShutdownHookAdder", adder).invoke(null, adding);
    }

    private static void run(JsonNode question) throws Exception {
        List<String> args = new ArrayList<>();
        question.get("args").forEach(arg -> args.add(arg.asText()));
        System.setIn(new ByteArrayInputStream(question.get("input").asText().getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        try {
            Class<?> main = Class.forName(question.get("main").asText());
            main.getMethod("main", String[].class).invoke(null, (Object) args.toArray(new String[0]));
            runHooks();
            end(0);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Ended)) {
                System.err.print("Exception in thread \"main\" ");
                e.getCause().printStackTrace();
                end(1);
            }
        }
    }

    private static void runHooks() throws Exception {
        for (Runnable hook : HOOKS) {
            Thread thread = new Thread(hook);
            thread.setDaemon(true);
            thread.start();
            thread.join(10_000);
        }
        HOOKS.clear();
    }

    private static void answer(PrintStream answers) throws Exception {
        ObjectNode answer = JSON.createObjectNode();
        answer.put("code", code);
        answer.put("out", out.toString(StandardCharsets.UTF_8));
        answer.put("err", err.toString(StandardCharsets.UTF_8));
        answers.println(JSON.writeValueAsString(answer));
        answers.flush();
    }

    private static void answerAtTheEnd(PrintStream answers) {
        if (!isRunning) return;
        code = null;
        try {
            answer(answers);
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    public static void main(String[] args) throws Exception {
        for (String name : EXITS) intercept(name);
        InputStream input = System.in;
        PrintStream answers = System.out;
        Runtime.getRuntime().addShutdownHook(new Thread(() -> answerAtTheEnd(answers)));
        BufferedReader in = new BufferedReader(new InputStreamReader(input, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out = new ByteArrayOutputStream();
            err = new ByteArrayOutputStream();
            code = null;
            isRunning = true;
            run(JSON.readTree(line));
            runHooks();
            isRunning = false;
            answer(answers);
        }
    }
}
