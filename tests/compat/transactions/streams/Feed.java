// What goes into the applications, and what comes out of them.
//
//   Feed write BOOTSTRAP RECORDS PER_SECOND BASE_MS
//   Feed read BOOTSTRAP FILE follow|once TOPIC...
//
// write: RECORDS lines of two words to `lines`, half as many pairs to `left` and `right`, by an idempotent producer that
// waits for the broker as long as it takes. What is written follows from the number of the record alone.
// read: committed records of all partitions to the file, as `TOPIC PARTITION KEY VALUE`; `once` until the ends as they
// are, `follow` for ever. Both say in JSON how far they are.

import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Feed {
    private static final AtomicReference<Exception> LOST = new AtomicReference<>();

    private static void send(KafkaProducer<String, String> producer, ProducerRecord<String, String> record) {
        producer.send(record, (place, failure) -> {
            if (failure != null) {
                LOST.compareAndSet(null, failure);
            }
        });
    }

    private static void write(String bootstrap, long records, long perSecond, long base) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("acks", "all");
        properties.put("enable.idempotence", true);
        properties.put("delivery.timeout.ms", Integer.MAX_VALUE);
        properties.put("max.block.ms", 600000);
        properties.put("linger.ms", 20);
        properties.put("key.serializer", StringSerializer.class);
        properties.put("value.serializer", StringSerializer.class);
        long began = System.nanoTime();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (long number = 0; number < records; number++) {
                long time = base + number * 5;
                String words = "a" + number % 1009 + " b" + number * 7 % 211;
                send(producer, new ProducerRecord<>("lines", null, time, "line-" + number, words));
                if (number % 2 == 0) {
                    long pair = number / 2;
                    String key = "k" + pair % 300;
                    send(producer, new ProducerRecord<>("left", null, time, "left-" + pair, key + " " + pair));
                    // Every third is too far away from its own partner, but may be near another one.
                    long later = time + (pair % 3 == 0 ? 20000 : 500);
                    send(producer, new ProducerRecord<>("right", null, later, key, Long.toString(pair)));
                }
                if (number % 1000 == 999) {
                    long due = began + number * 1_000_000_000L / perSecond;
                    long early = due - System.nanoTime();
                    if (early > 0) {
                        Thread.sleep(early / 1_000_000);
                    }
                    System.out.println("{\"event\":\"written\",\"records\":" + (number + 1) + "}");
                }
            }
            producer.flush();
        }
        if (LOST.get() != null) {
            throw LOST.get();
        }
        System.out.println("{\"event\":\"written\",\"records\":" + records + "}");
    }

    private static void read(String bootstrap, String file, boolean isOnce, List<String> topics) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("isolation.level", "read_committed");
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", false);
        properties.put("key.deserializer", StringDeserializer.class);
        properties.put("value.deserializer", StringDeserializer.class);
        Map<String, Long> seen = new TreeMap<>();
        topics.forEach(topic -> seen.put(topic, 0L));
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties);
                BufferedWriter output = Files.newBufferedWriter(Path.of(file))) {
            List<TopicPartition> places = new ArrayList<>();
            for (String topic : topics) {
                consumer.partitionsFor(topic).forEach(info -> places.add(new TopicPartition(topic, info.partition())));
            }
            consumer.assign(places);
            consumer.seekToBeginning(places);
            Map<TopicPartition, Long> ends = isOnce ? consumer.endOffsets(places) : null;
            long said = 0;
            while (!isOnce || places.stream().anyMatch(place -> consumer.position(place) < ends.get(place))) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    seen.merge(record.topic(), 1L, Long::sum);
                    output.write(record.topic() + " " + record.partition() + " " + record.key() + " " + record.value());
                    output.newLine();
                }
                if (System.nanoTime() - said > 200_000_000L) {
                    said = System.nanoTime();
                    output.flush();
                    say(seen);
                }
            }
        }
        say(seen);
    }

    private static void say(Map<String, Long> seen) {
        StringBuilder text = new StringBuilder("{\"event\":\"seen\"");
        seen.forEach((topic, count) -> text.append(",\"").append(topic).append("\":").append(count));
        System.out.println(text.append("}"));
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("write")) {
            write(arguments[1], Long.parseLong(arguments[2]), Long.parseLong(arguments[3]), Long.parseLong(arguments[4]));
        } else {
            List<String> topics = List.of(arguments).subList(4, arguments.length);
            read(arguments[1], arguments[2], arguments[3].equals("once"), topics);
        }
    }
}
