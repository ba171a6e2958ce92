import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** What is wrong with an order, by the default policy. Times are in microseconds since 1970 UTC. */
final class Alerts {
    private static final long HOUR = 3_600_000_000L;
    private static final long DAY = 24 * HOUR;
    private static final int MAX_ALERTS = 50;
    private static final int MAX_VALUES = 20;
    private static final byte[] NAMESPACE = Ids.namespace("urn:norce-pipeline:alert");

    private Alerts() {}

    /** The kinds, in the order of their names. Expires 0: never. */
    private enum Kind {
        CANCELLED_AFTER_PAYMENT("critical", 0, 30 * DAY),
        DELIVERED_BEFORE_CONFIRMED("warning", HOUR, 0),
        PAID_NOT_CONFIRMED("critical", 24 * HOUR, 0),
        PAID_TWICE("critical", 0, 30 * DAY),
        PAYMENT_CURRENCY_MISMATCH("warning", 0, 30 * DAY),
        STUCK("notice", 7 * DAY, 0);

        final String text = name().toLowerCase(Locale.ROOT);
        final String severity;
        final long after;
        final long expires;

        Kind(String severity, long after, long expires) {
            this.severity = severity;
            this.after = after;
            this.expires = expires;
        }
    }

    /** What tells one alert of an order from another. */
    private record Name(String kind, String item) {}

    /** One thing that is wrong, from due until ends; ends 0: until the order says otherwise. */
    private record Condition(Kind kind, String item, long due, List<String> openedBy, Map<String, String> details) {
        static Condition of(Kind kind, String item, long since, List<String> by, Map<String, String> details) {
            return new Condition(kind, item, since + kind.after, by.stream().limit(MAX_VALUES).toList(), details);
        }

        long ends() {
            return kind.expires == 0 ? 0 : due + kind.expires;
        }

        boolean active(long now) {
            return due <= now && (ends() == 0 || now < ends());
        }
    }

    /** What closed an alert. */
    private record Closing(String cause, String eventType, String eventId) implements Json.Writable {
        @Override
        public void fields(Json json) {
            json.field("cause", cause).field("event_type", eventType).field("event_id", eventId);
        }
    }

    /** The record of the alerts topic. */
    record Alert(String id, String kind, String severity, String state, String key, String item,
            Map<String, String> details, String openedAt, List<String> openedBy, String closedAt, Closing closedBy)
            implements Json.Writable {
        @Override
        public void fields(Json json) {
            json.field("id", id).field("kind", kind).field("severity", severity).field("state", state)
                    .field("subject", "order").field("subject_key", key).field("item", item).field("order_key", key)
                    .field("client_id", Long.parseLong(key.substring(0, key.indexOf(':')))).field("details", details)
                    .field("opened_at", openedAt).field("opened_by", openedBy).field("closed_at", closedAt)
                    .field("closed_by", closedBy);
        }

        byte[] bytes() {
            return Json.object(this::fields).bytes();
        }

        static Alert read(JsonNode json) {
            Map<String, String> details = new LinkedHashMap<>();
            json.get("details").properties().forEach(each -> details.put(each.getKey(), each.getValue().textValue()));
            List<String> by = new ArrayList<>();
            json.get("opened_by").forEach(each -> by.add(each.textValue()));
            return new Alert(Json.text(json, "id"), Json.text(json, "kind"), Json.text(json, "severity"), "open",
                    Json.text(json, "subject_key"), Json.text(json, "item"), details, Json.text(json, "opened_at"),
                    by, null, null);
        }

        Alert closed(Closing closing, long at) {
            return new Alert(id, kind, severity, "closed", key, item, details, openedAt, openedBy, Order.rfc3339(at),
                    closing);
        }
    }

    /** What is kept of an order's alerts: those that are open, and when to look again; due 0: never. */
    record Recorded(long due, List<Alert> open) {
        static Recorded read(byte[] stored) {
            if (stored == null) {
                return new Recorded(0, List.of());
            }
            JsonNode json = Json.read(stored);
            List<Alert> open = new ArrayList<>();
            json.get("open").forEach(each -> open.add(Alert.read(each)));
            Long due = Json.number(json, "due");
            return new Recorded(due == null ? 0 : due, open);
        }

        byte[] bytes() {
            if (due == 0 && open.isEmpty()) {
                return null;
            }
            return Json.object(json -> json.field("due", due == 0 ? null : (Long) due).field("open", open)
                    .field("untold", List.of()).field("v", 1)).bytes();
        }
    }

    /** What a look comes to: what is to be kept, and the records to publish. */
    record Review(Recorded recorded, List<Alert> alerts) {}

    /** Compare what was open with what is, after one event. */
    static Review review(Order order, Recorded recorded, long now, String eventType, Facts.Receipt receipt) {
        now = Math.max(now, receipt.at());
        List<Condition> found = conditions(order);
        Map<Name, Alert> known = new LinkedHashMap<>();
        recorded.open().forEach(alert -> known.put(new Name(alert.kind(), alert.item()), alert));
        Map<Name, Condition> conditions = new LinkedHashMap<>();
        Map<Name, Condition> wrong = new LinkedHashMap<>();
        for (Condition one : found) {
            Name name = new Name(one.kind().text, one.item());
            conditions.put(name, one);
            if (one.active(now)) {
                wrong.put(name, one);
            }
        }
        long room = MAX_ALERTS - wrong.keySet().stream().filter(known::containsKey).count();
        List<Alert> still = new ArrayList<>();
        List<Alert> said = new ArrayList<>();
        for (Map.Entry<Name, Condition> each : wrong.entrySet()) {
            Alert before = known.get(each.getKey());
            room -= before == null ? 1 : 0;
            if (before != null || room >= 0) {
                Alert alert = alert(order.key(), each.getValue(), before);
                still.add(alert);
                if (!alert.equals(before)) {
                    said.add(alert);
                }
            }
        }
        for (Map.Entry<Name, Alert> each : known.entrySet()) {
            if (!wrong.containsKey(each.getKey())) {
                Condition condition = conditions.get(each.getKey());
                boolean expired = condition != null && condition.ends() != 0 && condition.ends() <= now;
                said.add(expired ? each.getValue().closed(new Closing("time", null, null), condition.ends())
                        : each.getValue().closed(new Closing("event", eventType, receipt.id()), receipt.at()));
            }
        }
        return new Review(new Recorded(due(found, now, recorded.due()), still), said);
    }

    private static Alert alert(String key, Condition condition, Alert known) {
        String kind = condition.kind().text;
        String id = known != null ? known.id() : Ids.of(NAMESPACE, Json.array(array ->
                array.item(kind).item("order").item(key).item(condition.item())).bytes());
        return new Alert(id, kind, condition.kind().severity, "open", key, condition.item(), condition.details(),
                known != null ? known.openedAt() : Order.rfc3339(condition.due()),
                known != null ? known.openedBy() : condition.openedBy(), null, null);
    }

    private static long due(List<Condition> found, long now, long indexed) {
        List<Long> moments = new ArrayList<>();
        found.forEach(one -> {
            moments.add(one.due());
            moments.add(one.ends());
        });
        moments.removeIf(moment -> moment <= now);
        if (indexed != 0) {
            moments.add(indexed);
        }
        return moments.stream().mapToLong(Long::longValue).min().orElse(0);
    }

    private static List<Condition> conditions(Order order) {
        List<Condition> found = new ArrayList<>();
        if (!order.payments().isEmpty()) {
            paid(order, found);
        }
        List<String> reached = order.statuses();
        boolean delivered = reached.contains("delivered") || reached.contains("partly_delivered");
        if (delivered && !reached.contains("confirmed") && !reached.contains("cancelled")) {
            List<Order.Entry> entries = first(order, 1, Facts.Kind.DELIVERED, Facts.Kind.PARTLY_DELIVERED);
            found.add(Condition.of(Kind.DELIVERED_BEFORE_CONFIRMED, null, moment(order, entries), ids(entries),
                    Map.of("status", order.status())));
        }
        boolean done = Set.of("delivered", "cancelled").contains(order.status());
        if (!done && !(order.status().equals(Order.UNKNOWN) && order.payments().isEmpty())) {
            String last = order.timeline().get(order.timeline().size() - 1).eventId();
            found.add(Condition.of(Kind.STUCK, null, order.lastChangedAt(), List.of(last),
                    Map.of("status", order.status())));
        }
        found.sort(Comparator.comparing(Condition::kind).thenComparing(one -> one.item() == null ? "" : one.item()));
        return found;
    }

    private static void paid(Order order, List<Condition> found) {
        if (Set.of(Order.UNKNOWN, "received").contains(order.status())) {
            long since = order.payments().stream().mapToLong(Order.Payment::firstReceivedAt).min().orElseThrow();
            found.add(Condition.of(Kind.PAID_NOT_CONFIRMED, null, since, ids(first(order, 1, Facts.Kind.PAYMENT)),
                    whatIsPaid(order)));
        }
        if (order.status().equals("cancelled")) {
            List<Order.Entry> entries = new ArrayList<>(first(order, 1, Facts.Kind.PAYMENT));
            entries.addAll(first(order, 1, Facts.Kind.CANCELLED));
            found.add(Condition.of(Kind.CANCELLED_AFTER_PAYMENT, null, moment(order, entries), ids(entries),
                    whatIsPaid(order)));
        }
        TreeSet<String> currencies = new TreeSet<>();
        order.payments().stream().map(Order.Payment::currency).filter(each -> each != null).forEach(currencies::add);
        order.conflicts().stream().filter(each -> each.field().equals("payment.currency"))
                .forEach(each -> currencies.addAll(each.values()));
        if (currencies.size() > 1) {
            List<Order.Entry> entries = first(order, 2, Facts.Kind.PAYMENT);
            Map<String, String> details = new LinkedHashMap<>();
            details.put("currencies", listed(currencies));
            details.put("payment_codes", whatIsPaid(order).get("payment_codes"));
            found.add(Condition.of(Kind.PAYMENT_CURRENCY_MISMATCH, null, moment(order, entries), ids(entries),
                    details));
        }
        if (order.payments().size() > 1) {
            twice(order, found);
        }
    }

    private static void twice(Order order, List<Condition> found) {
        Map<String, List<Order.Payment>> same = new TreeMap<>();
        order.payments().stream().filter(each -> each.amount() != null && each.currency() != null)
                .forEach(each -> same.computeIfAbsent(each.amount() + " " + each.currency(),
                        item -> new ArrayList<>()).add(each));
        same.forEach((item, payments) -> {
            if (payments.size() > 1) {
                long second = payments.stream().mapToLong(Order.Payment::firstReceivedAt).sorted().skip(1).findFirst()
                        .orElseThrow();
                Map<String, String> details = new LinkedHashMap<>();
                details.put("amount", payments.get(0).amount());
                details.put("currency", payments.get(0).currency());
                details.put("payment_codes", listed(payments.stream().map(Order.Payment::code).toList()));
                List<String> by = order.timeline().stream()
                        .filter(each -> each.kind() == Facts.Kind.PAYMENT && each.receivedAt() == second)
                        .map(Order.Entry::eventId).toList();
                found.add(Condition.of(Kind.PAID_TWICE, item, second, by, details));
            }
        });
    }

    private static Map<String, String> whatIsPaid(Order order) {
        Map<String, String> found = new LinkedHashMap<>();
        found.put("paid", String.join(", ", order.paid().entrySet().stream()
                .map(each -> each.getValue() + " " + each.getKey()).toList()));
        found.put("payment_codes", listed(order.payments().stream().map(Order.Payment::code).toList()));
        return found;
    }

    private static String listed(Iterable<String> values) {
        TreeSet<String> distinct = new TreeSet<>();
        values.forEach(distinct::add);
        return String.join(", ", distinct.stream().limit(MAX_VALUES).toList());
    }

    private static List<Order.Entry> first(Order order, int count, Facts.Kind... kinds) {
        return order.timeline().stream().filter(each -> List.of(kinds).contains(each.kind())).limit(count).toList();
    }

    private static List<String> ids(List<Order.Entry> entries) {
        return entries.stream().map(Order.Entry::eventId).toList();
    }

    private static long moment(Order order, List<Order.Entry> entries) {
        return entries.stream().mapToLong(Order.Entry::receivedAt).max().orElse(order.firstReceivedAt());
    }
}
