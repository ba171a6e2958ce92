import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/** The join of one event, from stored bytes to stored bytes: the same as in Python, byte for byte. */
final class Work {
    private final Table orders;
    private final Table alerts;
    private final Sender sender;

    Work(Table orders, Table alerts, Sender sender) {
        this.orders = orders;
        this.alerts = alerts;
        this.sender = sender;
    }

    /** What is kept by key. */
    interface Table {
        byte[] get(byte[] key);

        /** Null deletes. */
        void put(byte[] key, byte[] value);
    }

    /** Where what follows from an event goes to. */
    interface Sender {
        void send(String output, byte[] key, byte[] value);
    }

    /** Joins an event; type, id and time are those of its record's headers. */
    void join(byte[] name, String type, String id, String time, byte[] body) {
        String key = new String(name, StandardCharsets.UTF_8);
        JsonNode event = Json.read(body);
        boolean failed = Facts.Kind.of(type) == Facts.Kind.SUBSCRIPTION_FAILED;
        if (failed && Json.number(event, "BasketId") == null) {
            return; // about a subscription only
        }
        if (!Facts.key(type, event).equals(key)) {
            throw new IllegalArgumentException("the " + type + " belongs to another key");
        }
        Facts.State state = Facts.State.read(orders.get(name));
        Order before = state.empty() ? null : Order.of(key, state);
        Facts.Receipt receipt = new Facts.Receipt(microseconds(OffsetDateTime.parse(time).toInstant()), id);
        if (state.add(Facts.of(type, event), receipt)) {
            orders.put(name, state.bytes());
            Order after = Order.of(key, state);
            if (after.changedSince(before)) {
                publish(name, after, before, type, receipt);
            }
        }
        if (failed) {
            copies(event);
        }
    }

    private void publish(byte[] name, Order after, Order before, String type, Facts.Receipt receipt) {
        sender.send("enriched", name, after.enriched());
        for (byte[] update : Updates.derive(before, after)) {
            sender.send("updates", name, update);
        }
        byte[] place = Facts.utf8("sorder|" + after.key());
        Alerts.Recorded known = Alerts.Recorded.read(alerts.get(place));
        Alerts.Review review = Alerts.review(after, known, microseconds(Instant.now()), type, receipt);
        for (Alerts.Alert alert : review.alerts()) {
            sender.send("alerts", Facts.utf8(alert.id()), alert.bytes());
        }
        if (!review.recorded().equals(known)) {
            alerts.put(place, review.recorded().bytes());
        }
        if (review.recorded().due() != known.due()) {
            if (known.due() != 0) {
                alerts.put(entry(known.due(), after.key()), null);
            }
            if (review.recorded().due() != 0) {
                alerts.put(entry(review.recorded().due(), after.key()), new byte[0]);
            }
        }
    }

    /** A failed run goes on to the subscription and the recurring order that it names. */
    private void copies(JsonNode event) {
        Long client = Json.number(event, "ClientId");
        Long application = Json.number(event, "ApplicationId");
        Long subscription = Json.number(event, "SubscriptionId");
        Long recurring = Json.number(event, "RecurringOrderId");
        List<String> subjects = new ArrayList<>();
        if (subscription != null) {
            subjects.add("subscription=" + subscription);
        }
        if (recurring != null) {
            subjects.add("recurring=" + recurring);
        }
        byte[] body = Json.object(json -> json.field("ClientId", client).field("ApplicationId", application)
                .field("SubscriptionId", subscription).field("RecurringOrderId", recurring)
                .field("RecurringOrderScheduleId", Json.number(event, "RecurringOrderScheduleId"))
                .field("BasketId", Json.number(event, "BasketId"))
                .field("ErrorMessage", Facts.freeText(event))).bytes();
        for (String subject : subjects) {
            sender.send("failures", Facts.utf8(client + ":" + application + ":" + subject), body);
        }
    }

    private static byte[] entry(long due, String key) {
        return Facts.utf8(String.format("d%020d|order|%s", due, key));
    }

    private static long microseconds(Instant moment) {
        return ChronoUnit.MICROS.between(Instant.EPOCH, moment);
    }
}
