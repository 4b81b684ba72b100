import java.io.IOException;
import java.util.Map;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;

/** A trade of md.trades: registry framing and the Avro body of schemas/trade.avsc, read field by field with Avro's own decoder (its cheapest way). */
final class Trade {
    int instrument;
    long eventTime;
    long receiveTime;
    long tradeId;
    int tradeCount;
    long price;
    long quantity;
    int aggressorSide;
    int flags;

    static final class Reader implements Deserializer<Trade> {
        private static final int HEADER_BYTES = 5;
        private BinaryDecoder decoder;

        @Override
        public void configure(Map<String, ?> configs, boolean isKey) {
        }

        @Override
        public Trade deserialize(String topic, byte[] value) {
            if (value == null || value.length < HEADER_BYTES || value[0] != 0) {
                throw new SerializationException("no registry framing");
            }
            try {
                decoder = DecoderFactory.get().binaryDecoder(value, HEADER_BYTES, value.length - HEADER_BYTES, decoder);
                Trade trade = new Trade();
                trade.instrument = decoder.readInt();
                trade.eventTime = decoder.readLong();
                trade.receiveTime = decoder.readLong();
                trade.tradeId = decoder.readLong();
                trade.tradeCount = decoder.readInt();
                trade.price = decoder.readLong();
                trade.quantity = decoder.readLong();
                trade.aggressorSide = decoder.readEnum();
                trade.flags = decoder.readInt();
                return trade;
            } catch (IOException problem) {
                throw new SerializationException(problem);
            }
        }
    }
}
