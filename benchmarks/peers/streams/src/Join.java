import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.kafka.clients.producer.ProducerConfig;
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
 * each with its changelog and its cache, and a commit every second.
 */
public final class Join implements Processor<byte[], byte[], byte[], byte[]> {
    private static final String[] INPUTS = {"norce.events.order", "norce.events.payment", "norce.events.subscription"};
    private static final String[] OUTPUTS = {"enriched", "updates", "alerts", "failures"};
    private static final String[] TABLES = {"orders", "alerts"};
    private static final String TYPE_PREFIX = "io.norce.";

    private Work work;
    private long timestamp;

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
    public void init(ProcessorContext<byte[], byte[]> context) {
        work = new Work(table(context.getStateStore("orders")), table(context.getStateStore("alerts")),
                (output, key, value) -> context.forward(new Record<>(key, value, timestamp), output));
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        timestamp = record.timestamp();
        work.join(record.key(), header(record, "ce_type").substring(TYPE_PREFIX.length()), header(record, "ce_id"),
                header(record, "ce_time"), record.value());
    }

    private static Work.Table table(KeyValueStore<byte[], byte[]> store) {
        return new Work.Table() {
            @Override
            public byte[] get(byte[] key) {
                return store.get(key);
            }

            @Override
            public void put(byte[] key, byte[] value) {
                store.put(key, value);
            }
        };
    }

    private static String header(Record<byte[], byte[]> record, String name) {
        return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }
}
