import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.TreeMap;

/**
 * The same work without Kafka, to be compared: events come as lines of JSON, {"key", "type", "id", "time", "body"}, and
 * what is sent goes out as lines of [output, key, value], in the end what the tables hold as ["table ...", key, value].
 */
public final class Replay {
    private Replay() {}

    /** A table in memory. */
    private static final class Memory implements Work.Table {
        private final TreeMap<byte[], byte[]> rows = new TreeMap<>(Arrays::compareUnsigned);

        @Override
        public byte[] get(byte[] key) {
            return rows.get(key);
        }

        @Override
        public void put(byte[] key, byte[] value) {
            if (value == null) {
                rows.remove(key);
            } else {
                rows.put(key, value);
            }
        }
    }

    /** Takes no arguments. */
    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        Memory orders = new Memory();
        Memory alerts = new Memory();
        Work work = new Work(orders, alerts, (output, key, value) -> print(out, output, key, value));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode event = Json.read(Facts.utf8(line));
            work.join(Facts.utf8(Json.text(event, "key")), Json.text(event, "type"), Json.text(event, "id"),
                    Json.text(event, "time"), Facts.utf8(Json.text(event, "body")));
        }
        orders.rows.forEach((key, value) -> print(out, "table orders", key, value));
        alerts.rows.forEach((key, value) -> print(out, "table alerts", key, value));
        out.flush();
    }

    private static void print(PrintStream out, String output, byte[] key, byte[] value) {
        out.print(Json.array(array -> array.item(output).item(new String(key, StandardCharsets.UTF_8))
                .item(new String(value, StandardCharsets.UTF_8))) + "\n");
    }
}
