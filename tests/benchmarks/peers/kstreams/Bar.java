import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** A one-minute bar: eight Avro longs behind a registry header, as tests/benchmarks/kafka/truth.py reads them. */
final class Bar {
    static final long MINUTE = 60_000_000_000L;

    long instrument;
    long openTime;
    long open;
    long high;
    long low;
    long close;
    long volume;
    long tradeCount;

    static Bar startedBy(Trade trade) {
        Bar bar = new Bar();
        bar.instrument = trade.instrument;
        bar.openTime = trade.eventTime - trade.eventTime % MINUTE;
        bar.open = trade.price;
        bar.high = trade.price;
        bar.low = trade.price;
        bar.close = trade.price;
        bar.volume = trade.quantity;
        bar.tradeCount = trade.tradeCount;
        return bar;
    }

    void add(Trade trade) {
        high = Math.max(high, trade.price);
        low = Math.min(low, trade.price);
        close = trade.price;
        volume += trade.quantity;
        tradeCount += trade.tradeCount;
    }

    static Serde<Bar> serde() {
        return Serdes.serdeFrom(new Writer(), new Reader());
    }

    static final class Writer implements Serializer<Bar> {
        private BinaryEncoder encoder;

        @Override
        public byte[] serialize(String topic, Bar bar) {
            if (bar == null) {
                return null;
            }
            try {
                ByteArrayOutputStream out = new ByteArrayOutputStream(64);
                out.write(new byte[] {0, 0, 0, 0, 1});
                encoder = EncoderFactory.get().directBinaryEncoder(out, encoder);
                long[] fields = {bar.instrument, bar.openTime, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.tradeCount};
                for (long field : fields) {
                    encoder.writeLong(field);
                }
                encoder.flush();
                return out.toByteArray();
            } catch (IOException problem) {
                throw new UncheckedIOException(problem);
            }
        }
    }

    static final class Reader implements Deserializer<Bar> {
        private BinaryDecoder decoder;

        @Override
        public Bar deserialize(String topic, byte[] value) {
            if (value == null) {
                return null;
            }
            try {
                decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, decoder);
                Bar bar = new Bar();
                bar.instrument = decoder.readLong();
                bar.openTime = decoder.readLong();
                bar.open = decoder.readLong();
                bar.high = decoder.readLong();
                bar.low = decoder.readLong();
                bar.close = decoder.readLong();
                bar.volume = decoder.readLong();
                bar.tradeCount = decoder.readLong();
                return bar;
            } catch (IOException problem) {
                throw new UncheckedIOException(problem);
            }
        }
    }
}
