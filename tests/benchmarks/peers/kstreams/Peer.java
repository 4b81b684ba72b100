import java.io.File;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The Kafka Streams peer, exactly_once_v2: trades to one-minute bars, or each trade to an answer on every output topic.
 *
 * <p>Arguments: bars|answers BOOTSTRAP APPLICATION STATE_FOLDER INPUT OUTPUT[,OUTPUT...] COMMIT_INTERVAL_MS changelog|no-changelog
 *
 * <p>Prints "ready" when it runs; ends by SIGTERM.
 */
public final class Peer {
    private static final String STORE = "bars";

    private Peer() {
    }

    /** Bars in a keyed in-memory store; a bar is forwarded when a later trade of its instrument closes it. */
    static final class Bars implements Processor<byte[], Trade, byte[], Bar> {
        private ProcessorContext<byte[], Bar> context;
        private KeyValueStore<Integer, Bar> open;

        @Override
        public void init(ProcessorContext<byte[], Bar> given) {
            context = given;
            open = given.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], Trade> record) {
            Trade trade = record.value();
            Bar bar = open.get(trade.instrument);
            if (bar != null && trade.eventTime < bar.openTime + Bar.MINUTE) {
                bar.add(trade);
            } else {
                if (bar != null) {
                    context.forward(record.withValue(bar));
                }
                bar = Bar.startedBy(trade);
            }
            open.put(trade.instrument, bar);
        }
    }

    /** Each trade's id to every output. */
    static final class Answers implements Processor<byte[], Trade, byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;

        @Override
        public void init(ProcessorContext<byte[], byte[]> given) {
            context = given;
        }

        @Override
        public void process(Record<byte[], Trade> record) {
            byte[] answer = new byte[8];
            long left = record.value().tradeId;
            for (int at = 7; at >= 0; at--) {
                answer[at] = (byte) left;
                left >>= 8;
            }
            context.forward(record.withValue(answer));
        }
    }

    public static void main(String[] given) throws Exception {
        String[] outputs = given[5].split(",");
        Topology topology = new Topology();
        topology.addSource("trades", Serdes.ByteArray().deserializer(), new Trade.Reader(), given[4]);
        if (given[0].equals("bars")) {
            topology.addProcessor("work", Bars::new, "trades");
            StoreBuilder<KeyValueStore<Integer, Bar>> store =
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.Integer(), Bar.serde()).withCachingEnabled();
            topology.addStateStore(given[7].equals("changelog") ? store.withLoggingEnabled(Map.of()) : store.withLoggingDisabled(), "work");
            topology.addSink("output", outputs[0], Serdes.ByteArray().serializer(), new Bar.Writer(), "work");
        } else {
            topology.addProcessor("work", Answers::new, "trades");
            for (String output : outputs) {
                topology.addSink("output-" + output, output, Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "work");
            }
        }
        KafkaStreams streams = new KafkaStreams(topology, settings(given));
        CountDownLatch done = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(java.time.Duration.ofSeconds(10));
            done.countDown();
        }));
        streams.setUncaughtExceptionHandler(problem -> {
            problem.printStackTrace();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                System.out.println("ready");
                System.out.flush();
            } else if (now == KafkaStreams.State.ERROR) {
                done.countDown();
            }
        });
        streams.start();
        done.await();
    }

    private static Properties settings(String[] given) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given[1]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, given[2]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, new File(given[3]).getAbsolutePath());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Integer.parseInt(given[6]));
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 52_428_800);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8_388_608);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20_000);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), given[0].equals("bars") ? 5 : 0);
        return settings;
    }
}
