import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The job in Kafka Streams; job.py says what it is.
 *
 * <pre>java -cp 'lib/*' StreamsJob.java BROKER FEED OUTPUT NAME DATA</pre>
 *
 * The feed is re-keyed by record through a repartition topic. Two stores have the states and, by moment, what is
 * due; a punctuator on stream time takes what is due, each day. One thread, exactly once.
 */
public class StreamsJob {
    static final long DAY = 86_400_000_000L;
    static final long STAGE_AGE = 28 * DAY;
    static final Map<Integer, Long> TARGETS = Map.of(1, 10 * DAY, 2, 20 * DAY, 3, 30 * DAY);
    static final Set<String> CLOSED = Set.of("won", "lost");
    static final Set<String> PAUSED = Set.of("on_hold");
    static final int HEALTH_HISTORY = 32;
    static final long NEVER = Long.MAX_VALUE;
    static final long ALREADY = 0;

    enum Path { big, stalled, overdue }

    enum Event { opened, resolved }

    record Escalation(Event event, Path path, String record, long at) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Source(long ts_us) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Row(long id, String stage, int priority, double amount, int contact_count, double health_score) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Envelope(Row after, Source source) {
        Change change() {
            return new Change(
                "deal:" + after.id,
                source.ts_us,
                after.stage,
                after.priority,
                after.amount,
                after.contact_count,
                after.health_score);
        }
    }

    record Change(
        String record, long at, String stage, int priority, double amount, int contacts, double health) {}

    record Score(long at, double health) {}

    static class State {
        public long touched;
        public String stage;
        public long entered;
        public int priority;
        public double amount;
        public int contacts;
        public Deque<Score> health = new ArrayDeque<>();
        public long used;
        public Long running;
        public EnumSet<Path> holding = EnumSet.noneOf(Path.class);
        public long due = NEVER;

        void take(Change change, List<Escalation> decided) {
            long at = change.at;
            comeTo(at, change.record, decided);
            if (running != null) {
                used += at - running;
            }
            if (!change.stage.equals(stage)) {
                stage = change.stage;
                entered = at;
            }
            touched = at;
            priority = change.priority;
            amount = change.amount;
            contacts = change.contacts;
            if (health.isEmpty() || health.getLast().health != change.health) {
                health.addLast(new Score(at, change.health));
                if (health.size() > HEALTH_HISTORY) {
                    health.removeFirst();
                }
            }
            running = CLOSED.contains(stage) || PAUSED.contains(stage) ? null : at;
            for (Path path : Path.values()) {
                if (moment(path) <= at) {
                    if (holding.add(path)) {
                        decided.add(new Escalation(Event.opened, path, change.record, at));
                    }
                } else if (holding.remove(path)) {
                    decided.add(new Escalation(Event.resolved, path, change.record, at));
                }
            }
            due = next();
        }

        void comeTo(long now, String record, List<Escalation> decided) {
            while (due <= now) {
                for (Path path : Path.values()) {
                    if (moment(path) == due && holding.add(path)) {
                        decided.add(new Escalation(Event.opened, path, record, due));
                    }
                }
                due = next();
            }
        }

        private long moment(Path path) {
            if (CLOSED.contains(stage)) {
                return NEVER;
            }
            long left = TARGETS.get(priority) - used;
            return switch (path) {
                case big -> amount >= 100_000 ? ALREADY : NEVER;
                case stalled -> amount >= 50_000 ? entered + STAGE_AGE : NEVER;
                case overdue -> running != null ? running + left : left <= 0 ? ALREADY : NEVER;
            };
        }

        private long next() {
            long next = NEVER;
            for (Path path : Path.values()) {
                if (!holding.contains(path)) {
                    next = Math.min(next, moment(path));
                }
            }
            return next;
        }
    }

    static class Escalate implements Processor<String, Change, String, Escalation> {
        private ProcessorContext<String, Escalation> context;
        private KeyValueStore<String, State> states;
        private KeyValueStore<Bytes, byte[]> due;

        @Override
        public void init(ProcessorContext<String, Escalation> context) {
            this.context = context;
            states = context.getStateStore("states");
            due = context.getStateStore("due");
            // Sixty days pass in seconds here: to look each hour would be a fifth of all that it does.
            context.schedule(Duration.ofDays(1), PunctuationType.STREAM_TIME, this::sweep);
        }

        @Override
        public void process(Record<String, Change> message) {
            State state = states.get(message.key());
            if (state == null) {
                state = new State();
            }
            long before = state.due;
            List<Escalation> decided = new ArrayList<>();
            state.take(message.value(), decided);
            put(message.key(), state, before, decided, message.timestamp());
        }

        private void sweep(long milliseconds) {
            long now = milliseconds * 1000;
            List<Bytes> found = new ArrayList<>();
            try (KeyValueIterator<Bytes, byte[]> range = due.range(key(0, ""), key(now + 1, ""))) {
                range.forEachRemaining(each -> found.add(each.key));
            }
            for (Bytes each : found) {
                String record = new String(each.get(), 8, each.get().length - 8, StandardCharsets.UTF_8);
                State state = states.get(record);
                long before = state.due;
                List<Escalation> decided = new ArrayList<>();
                state.comeTo(now, record, decided);
                put(record, state, before, decided, milliseconds);
            }
        }

        private void put(String record, State state, long before, List<Escalation> decided, long timestamp) {
            states.put(record, state);
            if (state.due != before) {
                if (before != NEVER) {
                    due.delete(key(before, record));
                }
                if (state.due != NEVER) {
                    due.put(key(state.due, record), new byte[0]);
                }
            }
            for (Escalation escalation : decided) {
                context.forward(new Record<>(record, escalation, timestamp));
            }
        }

        private static Bytes key(long at, String record) {
            byte[] name = record.getBytes(StandardCharsets.UTF_8);
            return Bytes.wrap(ByteBuffer.allocate(8 + name.length).putLong(at).put(name).array());
        }
    }

    static <T> Serde<T> json(Class<T> type) {
        ObjectMapper mapper = new ObjectMapper();
        ObjectWriter writer = mapper.writerFor(type);
        ObjectReader reader = mapper.readerFor(type);
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : writer.writeValueAsBytes(value);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : reader.readValue(bytes);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }

    static class Escalating implements ProcessorSupplier<String, Change, String, Escalation> {
        @Override
        public Processor<String, Change, String, Escalation> get() {
            return new Escalate();
        }

        @Override
        public Set<StoreBuilder<?>> stores() {
            return Set.of(
                Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore("states"), Serdes.String(), json(State.class))
                    .withCachingEnabled(),
                Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore("due"), Serdes.Bytes(), Serdes.ByteArray())
                    .withCachingEnabled());
        }
    }

    public static void main(String[] arguments) {
        String broker = arguments[0], feed = arguments[1], output = arguments[2];
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        int threads = arguments.length > 5 ? Integer.parseInt(arguments[5]) : 1;
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.producerPrefix("compression.type"), "lz4");

        StreamsBuilder builder = new StreamsBuilder();
        builder
            .stream(
                feed,
                Consumed.with(Serdes.Bytes(), json(Envelope.class))
                    .withTimestampExtractor(
                        (message, latest) -> ((Envelope) message.value()).source().ts_us() / 1000))
            .map((key, envelope) -> {
                Change change = envelope.change();
                return KeyValue.pair(change.record(), change);
            })
            .repartition(Repartitioned.with(Serdes.String(), json(Change.class)).withName("changes"))
            .process(new Escalating())
            .to(output, Produced.with(Serdes.String(), json(Escalation.class)));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
