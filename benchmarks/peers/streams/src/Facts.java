import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What events say, and the state of an order: the facts with their receipts. */
final class Facts {
    static final long REPEAT_WINDOW = 60_000_000;
    private static final int MAX_TEXT = 255;
    private static final int MAX_ERROR_MESSAGE = 500;
    private static final int MAX_AMOUNT_DIGITS = 20;

    private Facts() {}

    /** The kinds of facts, in the order of a life cycle. */
    enum Kind {
        RECEIVED("OrderReceivedEvent", "received", false),
        PAYMENT("OrderPaymentReceivedEvent", null, false),
        CONFIRMED("OrderConfirmedEvent", "confirmed", false),
        PARTLY_DELIVERED("OrderPartlyDeliveredEvent", "partly_delivered", true),
        READY_FOR_PICKUP("OrderReadyForPickupEvent", "ready_for_pickup", true),
        DELIVERED("OrderDeliveredEvent", "delivered", false),
        CANCELLED("OrderCancelledEvent", "cancelled", false),
        SUBSCRIPTION_FAILED("SubscriptionFailedEvent", null, true);

        private static final Map<String, Kind> BY_TYPE =
                Arrays.stream(values()).collect(Collectors.toMap(kind -> kind.type, Function.identity()));

        final String type;
        /** The order's status that it states. */
        final String status;
        final boolean repeatable;

        Kind(String type, String status, boolean repeatable) {
            this.type = type;
            this.status = status;
            this.repeatable = repeatable;
        }

        static Kind of(String type) {
            Kind kind = BY_TYPE.get(type);
            if (kind == null) {
                throw new IllegalArgumentException("no state is kept of " + type);
            }
            return kind;
        }

        /** It has an order id, an order number and a source. */
        boolean numbered() {
            return status != null && this != RECEIVED;
        }
    }

    /** A fact; its JSON is what it is told from others by, and what it is sorted by. */
    static final class Fact implements Comparable<Fact> {
        final Kind kind;
        private final List<Object> values;
        private final Json json;
        private final byte[] canonical;

        Fact(Kind kind, Object... values) {
            this.kind = kind;
            this.values = Arrays.asList(values);
            json = Json.array(array -> {
                array.item(kind.type);
                this.values.forEach(array::item);
            });
            canonical = json.bytes();
        }

        String text(int place) {
            return (String) values.get(place);
        }

        Long number(int place) {
            return (Long) values.get(place);
        }

        long orderId() {
            return number(0);
        }

        String orderNo() {
            return text(1);
        }

        String source() {
            return text(kind == Kind.RECEIVED ? 0 : 2);
        }

        @Override
        public int compareTo(Fact other) {
            return Arrays.compareUnsigned(canonical, other.canonical);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Fact fact && Arrays.equals(canonical, fact.canonical);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(canonical);
        }
    }

    /** One arrival; at is in microseconds since 1970 UTC. */
    record Receipt(long at, String id) implements Comparable<Receipt> {
        private static final Comparator<Receipt> ORDER =
                Comparator.comparingLong(Receipt::at).thenComparing(Receipt::id);

        @Override
        public int compareTo(Receipt other) {
            return ORDER.compare(this, other);
        }
    }

    /** The facts of an order in their order, each with its receipts, sorted. */
    static final class State {
        final TreeMap<Fact, List<Receipt>> facts = new TreeMap<>();

        static State read(byte[] stored) {
            State state = new State();
            if (stored == null) {
                return state;
            }
            for (JsonNode entry : Json.read(stored).get("facts")) {
                JsonNode array = entry.get(0);
                Object[] values = new Object[array.size() - 1];
                for (int place = 0; place < values.length; place++) {
                    JsonNode value = array.get(place + 1);
                    values[place] = value.isNull() ? null : value.isTextual() ? value.textValue()
                            : (Object) value.longValue();
                }
                List<Receipt> receipts = new ArrayList<>();
                entry.get(1).forEach(each -> receipts.add(new Receipt(each.get(0).longValue(), each.get(1)
                        .textValue())));
                state.facts.put(new Fact(Kind.of(array.get(0).textValue()), values), receipts);
            }
            return state;
        }

        /** Whether that is something new. */
        boolean add(Fact fact, Receipt receipt) {
            List<Receipt> receipts = facts.computeIfAbsent(fact, key -> new ArrayList<>());
            if (receipts.contains(receipt)) {
                return false;
            }
            receipts.add(receipt);
            receipts.sort(null);
            return true;
        }

        boolean empty() {
            return facts.isEmpty();
        }

        long version() {
            return facts.values().stream().mapToLong(List::size).sum();
        }

        byte[] bytes() {
            return Json.object(object -> object.field("v", 1).field("facts", facts.entrySet().stream()
                    .map(entry -> Json.array(array -> array.item(entry.getKey().json).item(entry.getValue().stream()
                            .map(each -> Json.array(pair -> pair.item(each.at()).item(each.id())))
                            .toList())))
                    .toList())).bytes();
        }
    }

    /** The first receipt of each time that a fact happened. */
    static List<Receipt> occurrences(Fact fact, List<Receipt> receipts) {
        List<Receipt> found = new ArrayList<>(List.of(receipts.get(0)));
        for (int place = 1; fact.kind.repeatable && place < receipts.size(); place++) {
            if (receipts.get(place).at() - receipts.get(place - 1).at() >= REPEAT_WINDOW) {
                found.add(receipts.get(place));
            }
        }
        return found;
    }

    /** What an event states. */
    static Fact of(String type, JsonNode event) {
        Kind kind = Kind.of(type);
        return switch (kind) {
            case RECEIVED -> new Fact(kind, stored(event, "Source"));
            case PAYMENT -> new Fact(kind, stored(event, "PaymentCode"), stored(event, "ErpOrderNo"),
                    stored(event, "PaymentMethodCode"), stored(event, "PaymentRef"), amount(event), stored(event,
                            "CurrencyCode"));
            case READY_FOR_PICKUP -> new Fact(kind, Json.number(event, "OrderId"), stored(event, "OrderNo"),
                    stored(event, "Source"), stored(event, "DropPointCode"));
            case SUBSCRIPTION_FAILED -> new Fact(kind, Json.number(event, "SubscriptionId"), Json.number(event,
                    "RecurringOrderId"),
                    Json.number(event, "RecurringOrderScheduleId"), Json.number(event, "BasketId"),
                            errorMessage(event));
            default -> new Fact(kind, Json.number(event, "OrderId"), stored(event, "OrderNo"), stored(event, "Source"));
        };
    }

    /** The key of the order that an event is about. */
    static String key(String type, JsonNode event) {
        boolean failed = Kind.of(type) == Kind.SUBSCRIPTION_FAILED;
        Object reference = failed ? Json.number(event, "BasketId") : Json.text(event, "ClientOrderRef");
        return Json.number(event, "ClientId") + ":" + Json.number(event, "ApplicationId") + ":" + reference;
    }

    /** Free text without what may say who somebody is. */
    static String freeText(JsonNode event) {
        String text = Json.text(event, "ErrorMessage");
        if (text == null) {
            return null;
        }
        return Masking.masked(text, Stream.of("CellPhone", "FirstName", "LastName", "Email")
                .map(name -> Json.text(event, name)).filter(value -> value != null).toList());
    }

    private static String errorMessage(JsonNode event) {
        String text = freeText(event);
        return text == null || text.codePointCount(0, text.length()) <= MAX_ERROR_MESSAGE
                ? text : text.substring(0, text.offsetByCodePoints(0, MAX_ERROR_MESSAGE));
    }

    private static String stored(JsonNode event, String name) {
        String text = Json.text(event, name);
        if (text != null && text.codePointCount(0, text.length()) > MAX_TEXT) {
            throw new IllegalArgumentException(name + " has more than " + MAX_TEXT + " characters");
        }
        return text;
    }

    private static String amount(JsonNode event) {
        JsonNode found = event.get("Amount");
        return found == null || found.isNull() ? null : money(found.decimalValue());
    }

    /** The one text of an amount: no exponent, at least two decimals, no further zeros. */
    static String money(BigDecimal amount) {
        BigDecimal plain = amount.stripTrailingZeros();
        if (plain.scale() > MAX_AMOUNT_DIGITS || plain.precision() - plain.scale() > MAX_AMOUNT_DIGITS) {
            throw new IllegalArgumentException("an amount has more than " + MAX_AMOUNT_DIGITS + " digits on a side");
        }
        return (plain.scale() < 2 ? plain.setScale(2) : plain).toPlainString();
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
