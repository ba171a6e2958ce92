import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The join on Kafka Streams, as its documentation shows for state of one's own: a processor with stores in RocksDB,
         each
 * with its changelog and its cache, and a commit every second. An event is worked through from stored bytes to stored
 * bytes, and what comes of it is the same as in Python, byte for byte.
 */
public final class Join implements Processor<byte[], byte[], byte[], byte[]> {
    private static final String[] INPUTS = {"norce.events.order", "norce.events.payment", "norce.events.subscription"};
    private static final String[] OUTPUTS = {"enriched", "updates", "alerts", "failures"};
    private static final String[] TABLES = {"orders", "alerts"};
    private static final String TYPE_PREFIX = "io.norce.";

    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> orders;
    private KeyValueStore<byte[], byte[]> alerts;

    /** Runs until it is killed. The one argument is JSON: servers, group, folder, output. */
    public static void main(String[] arguments) {
        JsonNode options = Json.read(arguments[0].getBytes(StandardCharsets.UTF_8));
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, Json.text(options, "group"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Json.text(options, "servers"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, Json.text(options, "folder"));
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG), true);
        KafkaStreams streams = new KafkaStreams(topology(Json.text(options, "output")), properties);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static Topology topology(String output) {
        Topology topology = new Topology();
        topology.addSource("events", new ByteArrayDeserializer(), new ByteArrayDeserializer(), INPUTS);
        topology.addProcessor("join", Join::new, "events");
        for (String table : TABLES) {
            topology.addStateStore(store(table), "join");
        }
        for (String kind : OUTPUTS) {
            topology.addSink(kind, output + "." + kind, new ByteArraySerializer(), new ByteArraySerializer(), "join");
        }
        return topology;
    }

    private static StoreBuilder<KeyValueStore<byte[], byte[]>> store(String name) {
        return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.ByteArray(), Serdes.ByteArray())
                .withCachingEnabled();
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
        context = given;
        orders = context.getStateStore("orders");
        alerts = context.getStateStore("alerts");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        String type = header(record.headers(), "ce_type").substring(TYPE_PREFIX.length());
        String key = new String(record.key(), StandardCharsets.UTF_8);
        JsonNode event = Json.read(record.value());
        if (Facts.Kind.of(type) == Facts.Kind.SUBSCRIPTION_FAILED && Json.number(event, "BasketId") == null) {
            return; // about a subscription only
        }
        if (!Facts.key(type, event).equals(key)) {
            throw new IllegalArgumentException("the " + type + " belongs to another key");
        }
        byte[] stored = orders.get(record.key());
        Facts.State state = Facts.State.read(stored);
        Order before = state.empty() ? null : Order.of(key, state);
        Facts.Receipt receipt = new Facts.Receipt(microseconds(header(record.headers(), "ce_time")),
                header(record.headers(), "ce_id"));
        if (state.add(Facts.of(type, event), receipt)) {
            orders.put(record.key(), state.bytes());
            Order after = Order.of(key, state);
            if (after.changedSince(before)) {
                publish(record, after, before, type, receipt);
            }
        }
        if (Facts.Kind.of(type) == Facts.Kind.SUBSCRIPTION_FAILED) {
            copies(record, event);
        }
    }

    private void publish(Record<byte[], byte[]> record, Order after, Order before, String type, Facts.Receipt receipt) {
        send("enriched", record, record.key(), after.enriched());
        for (byte[] update : Updates.derive(before, after)) {
            send("updates", record, record.key(), update);
        }
        byte[] name = Facts.utf8("sorder|" + after.key());
        Alerts.Recorded known = Alerts.Recorded.read(alerts.get(name));
        long now = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
        Alerts.Review review = Alerts.review(after, known, now, type, receipt);
        for (Alerts.Alert alert : review.alerts()) {
            send("alerts", record, Facts.utf8(alert.id()), alert.bytes());
        }
        if (!review.recorded().equals(known)) {
            alerts.put(name, review.recorded().bytes());
        }
        if (review.recorded().due() != known.due()) {
            if (known.due() != 0) {
                alerts.delete(entry(known.due(), after.key()));
            }
            if (review.recorded().due() != 0) {
                alerts.put(entry(review.recorded().due(), after.key()), new byte[0]);
            }
        }
    }

    /** A failed run goes on to the subscription and the recurring order that it names. */
    private void copies(Record<byte[], byte[]> record, JsonNode event) {
        List<String> subjects = new ArrayList<>();
        Long subscription = Json.number(event, "SubscriptionId");
        Long recurring = Json.number(event, "RecurringOrderId");
        if (subscription != null) {
            subjects.add("subscription=" + subscription);
        }
        if (recurring != null) {
            subjects.add("recurring=" + recurring);
        }
        byte[] body = Json.object(json -> json.field("ClientId", Json.number(event, "ClientId"))
                .field("ApplicationId", Json.number(event, "ApplicationId")).field("SubscriptionId", subscription)
                .field("RecurringOrderId", recurring)
                .field("RecurringOrderScheduleId", Json.number(event, "RecurringOrderScheduleId"))
                .field("BasketId", Json.number(event, "BasketId")).field("ErrorMessage", Facts.freeText(event)))
                        .bytes();
        for (String subject : subjects) {
            String key = Json.number(event, "ClientId") + ":" + Json.number(event, "ApplicationId") + ":" + subject;
            send("failures", record, Facts.utf8(key), body);
        }
    }

    private void send(String output, Record<byte[], byte[]> cause, byte[] key, byte[] value) {
        context.forward(new Record<>(key, value, cause.timestamp()), output);
    }

    private static byte[] entry(long due, String key) {
        return Facts.utf8(String.format("d%020d|order|%s", due, key));
    }

    private static String header(Headers headers, String name) {
        return new String(headers.lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    private static long microseconds(String time) {
        return ChronoUnit.MICROS.between(Instant.EPOCH, OffsetDateTime.parse(time).toInstant());
    }
}
