// A Kafka Streams application with exactly_once_v2, and interactive queries by lines on standard input.
//
//   Application count|join ID BOOTSTRAP STATE_DIR PORT THREADS
//
// count: words of `lines`, through a repartition and a store, to `counts`: each word's number so far.
// join: `left`, keyed anew and so repartitioned, with `right`, within five seconds of each other, to `joined`; and how
// many there are of `right` in each hour, in a store with windows.
// It obeys `get KEY` and `all`, says what happens in JSON, and ends with 0 at the end of its input.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.function.ToLongFunction;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyQueryMetadata;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.query.KeyQuery;
import org.apache.kafka.streams.query.QueryResult;
import org.apache.kafka.streams.query.StateQueryRequest;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.WindowStore;

public final class Application {
    private static final Serde<String> TEXT = Serdes.String();

    private final boolean isCount;
    private final String self;
    private final KafkaStreams streams;

    private Application(String[] arguments) {
        isCount = arguments[0].equals("count");
        self = "localhost:" + arguments[4];
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[2]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
        properties.put(StreamsConfig.APPLICATION_SERVER_CONFIG, self);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments[5]);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        // Every step of a count is written, so that each is seen to have happened once.
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        properties.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, 1);
        // Who was killed is missed for this long.
        properties.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 10000);
        properties.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        streams = new KafkaStreams(isCount ? count() : join(), properties);
    }

    private static Topology count() {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream("lines", Consumed.with(TEXT, TEXT))
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.with("words", TEXT, TEXT))
            .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts"))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to("counts", Produced.with(TEXT, TEXT));
        return builder.build();
    }

    private static Topology join() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> right = builder.stream("right", Consumed.with(TEXT, TEXT));
        right.groupByKey(Grouped.with(TEXT, TEXT))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofHours(1), Duration.ofDays(1)))
            .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("hours"));
        // The value is `KEY VALUE`.
        builder.stream("left", Consumed.with(TEXT, TEXT))
            .selectKey((key, value) -> value.substring(0, value.indexOf(' ')))
            .mapValues(value -> value.substring(value.indexOf(' ') + 1))
            .join(
                right,
                (one, other) -> one + "-" + other,
                // Nothing is ever too late, however far one side is ahead of the other after a restart.
                JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(5), Duration.ofDays(1)),
                StreamJoined.with(TEXT, TEXT, TEXT).withName("pairs").withStoreName("pairs"))
            .to("joined", Produced.with(TEXT, TEXT));
        return builder.build();
    }

    private static synchronized void say(String event, Object... pairs) {
        StringBuilder text = new StringBuilder("{\"event\":\"" + event + "\"");
        for (int index = 0; index < pairs.length; index += 2) {
            Object value = pairs[index + 1];
            text.append(",\"").append(pairs[index]).append("\":");
            text.append(value instanceof String ? "\"" + escaped((String) value) + "\"" : value);
        }
        System.out.println(text.append("}"));
        System.out.flush();
    }

    private static String escaped(String text) {
        return text.replaceAll("[^ -~]", " ").replace("\\", "\\\\").replace("\"", "\\\"");
    }

    private void get(String key) {
        KeyQueryMetadata place = streams.queryMetadataForKey("counts", key, TEXT.serializer());
        String owner = place.activeHost().host() + ":" + place.activeHost().port();
        if (!owner.equals(self)) {
            say("elsewhere", "key", key, "owner", owner);
            return;
        }
        Long first = streams.store(StoreQueryParameters.fromNameAndType(
            "counts", QueryableStoreTypes.<String, Long>keyValueStore())).get(key);
        // The second form of queries (KIP-796) must say the same.
        QueryResult<Long> second = streams.query(
            StateQueryRequest.inStore("counts").<Long>withQuery(KeyQuery.withKey(key)).requireActive())
            .getOnlyPartitionResult();
        say("answer", "key", key, "value", first, "again", second == null ? null : second.getResult());
    }

    private void all() {
        long entries = 0;
        long sum = 0;
        if (isCount) {
            try (var found = streams.store(StoreQueryParameters.fromNameAndType(
                    "counts", QueryableStoreTypes.<String, Long>keyValueStore())).all()) {
                while (found.hasNext()) {
                    entries++;
                    sum += found.next().value;
                }
            }
        } else {
            entries = windowed("pairs-this-join-store", value -> 1) + windowed("pairs-other-join-store", value -> 1);
            sum = windowed("hours", value -> (Long) value);
        }
        say("all", "entries", entries, "sum", sum);
    }

    private long windowed(String store, ToLongFunction<Object> weight) {
        long sum = 0;
        try (var found = streams.store(StoreQueryParameters.fromNameAndType(
                store, QueryableStoreTypes.<String, Object>windowStore())).all()) {
            while (found.hasNext()) {
                sum += weight.applyAsLong(found.next().value);
            }
        }
        return sum;
    }

    private void run() throws Exception {
        streams.setStateListener((now, before) -> say("state", "state", now.toString()));
        streams.setUncaughtExceptionHandler(failure -> {
            failure.printStackTrace();
            say("thread", "failure", failure.toString());
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            try {
                if (line.equals("all")) {
                    all();
                } else {
                    get(line.substring("get ".length()));
                }
            } catch (InvalidStateStoreException | IllegalStateException failure) {
                say("unavailable", "reason", failure.toString());
            }
        }
        if (!streams.close(Duration.ofSeconds(60))) {
            throw new IllegalStateException("the application does not end");
        }
    }

    public static void main(String[] arguments) throws Exception {
        new Application(arguments).run();
    }
}
