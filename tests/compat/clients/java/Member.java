// Apache Kafka's Java client: create, produce, consume by the contract of the README.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Reads, and remembers what it owns and what it has read and not committed. */
public final class Member implements ConsumerRebalanceListener {
    private static final int KEYS = 40;

    private final String topic;
    private final KafkaConsumer<String, String> consumer;
    private final TreeSet<Integer> owns = new TreeSet<>();
    private final TreeMap<Integer, Long> pending = new TreeMap<>();

    private Member(String bootstrap, String topic, String group, String protocol) {
        this.topic = topic;
        Properties settings = common(bootstrap);
        settings.put("group.id", group);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        if (protocol.equals("consumer")) {
            settings.put("group.protocol", "consumer");
        } else {
            String assignor = protocol.equals("cooperative") ? "CooperativeStickyAssignor" : "RangeAssignor";
            settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
            settings.put("session.timeout.ms", "60000");
            settings.put("heartbeat.interval.ms", "500");
        }
        consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(topic), this);
    }

    private static Properties common(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("reconnect.backoff.max.ms", "500");
        return settings;
    }

    private static void say(String event, String rest) {
        System.out.println("{\"event\":\"" + event + "\"" + rest + "}");
        System.out.flush();
    }

    private static void create(String bootstrap, String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(common(bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
        say("created", "");
    }

    private static void produce(String bootstrap, String topic) throws Exception {
        Properties settings = common(bootstrap);
        settings.put("acks", "all");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                String[] words = line.split(" ");
                int first = Integer.parseInt(words[1]);
                int count = Integer.parseInt(words[2]);
                List<Future<RecordMetadata>> waiting = new ArrayList<>();
                for (int number = first; number < first + count; number++) {
                    String key = "key-" + number % KEYS;
                    waiting.add(producer.send(new ProducerRecord<>(topic, key, Integer.toString(number))));
                }
                for (Future<RecordMetadata> future : waiting) {
                    future.get();
                }
                say("sent", ",\"first\":" + first + ",\"count\":" + count);
            }
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        partitions.forEach(place -> owns.add(place.partition()));
        sayOwns();
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commit();
        drop(partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        pending.clear();
        drop(partitions);
    }

    private void drop(Collection<TopicPartition> partitions) {
        partitions.forEach(place -> owns.remove(place.partition()));
        sayOwns();
    }

    private void sayOwns() {
        say("owns", ",\"partitions\":" + owns);
    }

    private void commit() {
        if (pending.isEmpty()) {
            return;
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        pending.forEach((number, offset) ->
            offsets.put(new TopicPartition(topic, number), new OffsetAndMetadata(offset)));
        consumer.commitSync(offsets);
        List<String> pairs = new ArrayList<>();
        pending.forEach((number, offset) -> pairs.add("\"" + number + "\":" + offset));
        say("committed", ",\"offsets\":{" + String.join(",", pairs) + "}");
        pending.clear();
    }

    private void read() {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
            say("record", ",\"partition\":" + record.partition() + ",\"offset\":" + record.offset()
                + ",\"key\":\"" + record.key() + "\",\"value\":\"" + record.value() + "\"");
            pending.put(record.partition(), record.offset() + 1);
        }
    }

    private void run() {
        ConcurrentLinkedQueue<String> commands = new ConcurrentLinkedQueue<>();
        Thread listener = new Thread(() -> {
            new BufferedReader(new InputStreamReader(System.in)).lines().forEach(commands::add);
            commands.add("leave");
        });
        listener.setDaemon(true);
        listener.start();
        while (true) {
            read();
            String command = commands.poll();
            if (command == null) {
                continue;
            }
            commit();
            if (command.equals("leave")) {
                consumer.close();
                return;
            }
            say("done", "");
        }
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "create" -> create(arguments[1], arguments[2], Integer.parseInt(arguments[3]));
            case "produce" -> produce(arguments[1], arguments[2]);
            case "consume" -> new Member(arguments[1], arguments[2], arguments[3], arguments[4]).run();
            default -> throw new IllegalArgumentException("unknown verb: " + arguments[0]);
        }
    }
}
