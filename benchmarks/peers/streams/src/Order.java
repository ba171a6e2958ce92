import java.math.BigDecimal;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;

/** An order as its facts tell it. Times are in microseconds since 1970 UTC. */
record Order(long clientId, long applicationId, String reference, Long orderId, String orderNo, String source,
        String status, List<String> statuses, List<Payment> payments, Map<String, String> paid,
        List<Failure> failures, List<String> dropPoints, List<Conflict> conflicts, List<Entry> timeline,
        int timelineOmitted, long firstReceivedAt, long lastChangedAt, long version) {

    static final String UNKNOWN = "unknown";
    private static final int MAX_TIMELINE = 200;
    private static final int MAX_CONFLICT_VALUES = 20;
    private static final byte[] NAMESPACE = Ids.namespace("urn:norce-pipeline:enriched-order");
    private static final DateTimeFormatter RFC_3339 =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

    /** One occurrence of one fact. */
    record Entry(Facts.Kind kind, long receivedAt, String eventId, int occurrence) implements Json.Writable {
        private static final Comparator<Entry> ORDER = Comparator.comparingLong(Entry::receivedAt)
                .thenComparing(Entry::kind).thenComparing(Entry::eventId).thenComparing(Entry::occurrence);

        @Override
        public void fields(Json json) {
            json.field("event_type", kind.type).field("received_at", rfc3339(receivedAt)).field("event_id", eventId)
                    .field("occurrence", occurrence);
        }
    }

    /** Events that contradict each other about one field. */
    record Conflict(String field, String item, List<String> values, String chosen) implements Json.Writable {
        @Override
        public void fields(Json json) {
            json.field("field", field).field("item", item).field("values", values).field("chosen", chosen);
        }
    }

    /** One payment, put together from all events that name its code. */
    record Payment(String code, String method, String ref, String amount, String currency, String erpOrderNo,
            long firstReceivedAt) implements Json.Writable {
        @Override
        public void fields(Json json) {
            json.field("payment_code", code).field("payment_method", method).field("payment_ref", ref)
                    .field("amount", amount).field("currency", currency).field("erp_order_no", erpOrderNo)
                    .field("first_received_at", rfc3339(firstReceivedAt));
        }
    }

    /** One kind of failure of a recurring order. */
    record Failure(Long subscriptionId, Long recurringOrderId, Long scheduleId, Long basketId, String errorMessage,
            int occurrences, long firstReceivedAt, long lastReceivedAt) implements Json.Writable {
        @Override
        public void fields(Json json) {
            json.field("subscription_id", subscriptionId).field("recurring_order_id", recurringOrderId)
                    .field("recurring_order_schedule_id", scheduleId).field("basket_id", basketId)
                    .field("error_message", errorMessage).field("occurrences", occurrences)
                    .field("first_received_at", rfc3339(firstReceivedAt))
                            .field("last_received_at", rfc3339(lastReceivedAt));
        }
    }

    /** A value that is stated, and the rank of who states it. */
    private record Claim<T extends Comparable<T>>(int rank, T value) {}

    static String rfc3339(long microseconds) {
        return RFC_3339.format(Instant.ofEpochSecond(Math.floorDiv(microseconds, 1_000_000L),
                Math.floorMod(microseconds, 1_000_000L) * 1_000L));
    }

    /** What a state that is not empty shows. */
    static Order of(String key, Facts.State state) {
        String[] parts = key.split(":", 3);
        String reference = parts[2];
        List<Conflict> conflicts = new ArrayList<>();
        List<Facts.Fact> statements = facts(state, kind -> kind.status != null);
        List<Facts.Fact> numbered = facts(state, Facts.Kind::numbered);
        List<Facts.Fact> paying = facts(state, kind -> kind == Facts.Kind.PAYMENT);
        List<Payment> payments = payments(state, paying, reference, conflicts);
        List<String> statuses = statuses(statements, conflicts);
        Long orderId = settle("order_id", numbered.stream().map(fact -> claim(fact, fact.orderId()))
                .toList(), conflicts);
        String orderNo = orderNo(reference, numbered, paying, conflicts);
        String source = settle("source", statements.stream().filter(fact -> stated(fact.source()))
                .map(fact -> claim(fact, fact.source())).toList(), conflicts);
        List<Entry> entries = entries(state);
        List<Entry> timeline = entries.subList(Math.max(0, entries.size() - MAX_TIMELINE), entries.size());
        return new Order(Long.parseLong(parts[0]), Long.parseLong(parts[1]), reference, orderId, orderNo, source,
                statuses.isEmpty() ? UNKNOWN : statuses.get(statuses.size() - 1), statuses, payments, paid(payments),
                failures(state), dropPoints(numbered), conflicts, timeline, entries.size() - timeline.size(),
                entries.get(0).receivedAt(), entries.get(entries.size() - 1).receivedAt(), state.version());
    }

    String key() {
        return clientId + ":" + applicationId + ":" + reference;
    }

    String paymentState() {
        return payments.isEmpty() ? "no_payment" : "payment_received";
    }

    int failed() {
        return failures.stream().mapToInt(Failure::occurrences).sum();
    }

    /** Whether it differs in anything but the version. */
    boolean changedSince(Order before) {
        return before == null || !new Order(before.clientId, before.applicationId, before.reference, before.orderId,
                before.orderNo, before.source, before.status, before.statuses, before.payments, before.paid,
                before.failures, before.dropPoints, before.conflicts, before.timeline, before.timelineOmitted,
                before.firstReceivedAt, before.lastChangedAt, version).equals(this);
    }

    /** The enriched record. */
    byte[] enriched() {
        Json body = Json.object(this::fields);
        String id = Ids.of(NAMESPACE, body.bytes());
        return Json.object(json -> fields(json.field("id", id))).bytes();
    }

    private void fields(Json json) {
        json.field("client_id", clientId).field("application_id", applicationId).field("client_order_ref", reference)
                .field("order_id", orderId).field("order_no", orderNo).field("source", source).field("status", status)
                .field("statuses", statuses).field("payment_state", paymentState()).field("payments", payments)
                .field("paid", paid)
                .field("payments_without_amount", payments.stream().filter(each -> each.amount() == null).count())
                .field("payments_without_currency", payments.stream()
                        .filter(each -> each.amount() != null && each.currency() == null).count())
                .field("subscription_failures", failures).field("drop_points", dropPoints).field("conflicts", conflicts)
                .field("timeline", timeline).field("timeline_omitted", timelineOmitted)
                .field("first_received_at", rfc3339(firstReceivedAt)).field("last_changed_at", rfc3339(lastChangedAt))
                .field("version", version).field("totals", null).field("lines", List.of()).field("lines_omitted", 0)
                .field("looked_up_at", null).field("lookup_number", 0);
    }

    private static List<Facts.Fact> facts(Facts.State state, Predicate<Facts.Kind> wanted) {
        return state.facts.keySet().stream().filter(fact -> wanted.test(fact.kind)).toList();
    }

    private static boolean stated(String text) {
        return text != null && !text.isEmpty();
    }

    private static String known(String text) {
        return stated(text) ? text : null;
    }

    private static <T extends Comparable<T>> Claim<T> claim(Facts.Fact fact, T value) {
        return new Claim<>(fact.kind == Facts.Kind.PAYMENT ? -1 : fact.kind.ordinal(), value);
    }

    /** The one value that is stated, or of several the one of the highest rank, the greatest among equals. */
    private static <T extends Comparable<T>> T settle(String field, List<Claim<T>> claims, List<Conflict> conflicts) {
        Set<T> values = new HashSet<>();
        claims.forEach(each -> values.add(each.value()));
        if (values.size() < 2) {
            return values.isEmpty() ? null : values.iterator().next();
        }
        T chosen = claims.stream().max(Comparator.comparingInt((Claim<T> each) -> each.rank())
                .thenComparing(Claim::value))
                .orElseThrow().value();
        report(field, null, values.stream().map(Object::toString).toList(), chosen.toString(), conflicts);
        return chosen;
    }

    private static void report(String field, String item, Collection<String> values, String chosen,
            List<Conflict> conflicts) {
        TreeSet<String> distinct = new TreeSet<>(values);
        if (distinct.size() > 1) {
            conflicts.add(new Conflict(field, item, distinct.stream().limit(MAX_CONFLICT_VALUES).toList(), chosen));
        }
    }

    private static List<String> statuses(List<Facts.Fact> statements, List<Conflict> conflicts) {
        EnumSet<Facts.Kind> kinds = EnumSet.noneOf(Facts.Kind.class);
        statements.forEach(fact -> kinds.add(fact.kind));
        if (kinds.contains(Facts.Kind.CANCELLED) && kinds.contains(Facts.Kind.DELIVERED)) {
            report("status", null, List.of("cancelled", "delivered"), "cancelled", conflicts);
        }
        return kinds.stream().map(kind -> kind.status).toList();
    }

    private static String orderNo(String reference, List<Facts.Fact> numbered, List<Facts.Fact> paying,
            List<Conflict> conflicts) {
        List<Claim<String>> claims = new ArrayList<>();
        paying.forEach(fact -> claims.add(claim(fact, fact.orderNo())));
        numbered.forEach(fact -> claims.add(claim(fact, fact.orderNo())));
        claims.removeIf(each -> each.value().isEmpty());
        if (claims.stream().map(Claim::value).distinct().count() > 1) {
            claims.removeIf(each -> each.value().equals(reference));
        }
        return settle("order_no", claims, conflicts);
    }

    private static List<String> dropPoints(List<Facts.Fact> numbered) {
        TreeSet<String> found = new TreeSet<>();
        numbered.stream().filter(fact -> fact.kind == Facts.Kind.READY_FOR_PICKUP).map(fact -> fact.text(3))
                .filter(Order::stated).forEach(found::add);
        return List.copyOf(found);
    }

    private static List<Failure> failures(Facts.State state) {
        List<Failure> found = new ArrayList<>();
        state.facts.forEach((fact, receipts) -> {
            if (fact.kind == Facts.Kind.SUBSCRIPTION_FAILED) {
                List<Facts.Receipt> happened = Facts.occurrences(fact, receipts);
                found.add(new Failure(fact.number(0), fact.number(1), fact.number(2), fact.number(3), fact.text(4),
                        happened.size(), happened.get(0).at(), happened.get(happened.size() - 1).at()));
            }
        });
        return found;
    }

    private static List<Entry> entries(Facts.State state) {
        List<Entry> entries = new ArrayList<>();
        state.facts.forEach((fact, receipts) -> {
            int number = 0;
            for (Facts.Receipt first : Facts.occurrences(fact, receipts)) {
                entries.add(new Entry(fact.kind, first.at(), first.id(), ++number));
            }
        });
        entries.sort(Entry.ORDER);
        return entries;
    }

    private static List<Payment> payments(Facts.State state, List<Facts.Fact> paying, String reference,
            List<Conflict> conflicts) {
        TreeMap<String, List<Facts.Fact>> byCode = new TreeMap<>();
        paying.forEach(fact -> byCode.computeIfAbsent(fact.text(0), code -> new ArrayList<>()).add(fact));
        List<Payment> found = new ArrayList<>();
        byCode.forEach((code, facts) -> {
            long first = facts.stream().mapToLong(fact -> state.facts.get(fact).get(0).at()).min().orElseThrow();
            if (facts.size() == 1) {
                Facts.Fact fact = facts.get(0);
                found.add(new Payment(code, known(fact.text(2)), known(fact.text(3)), fact.text(4), known(fact.text(5)),
                        known(fact.text(1)), first));
            } else {
                found.add(restated(code, facts, reference, first, conflicts));
            }
        });
        return found;
    }

    private static Payment restated(String code, List<Facts.Fact> facts, String reference, long first,
            List<Conflict> conflicts) {
        Set<String> numbers = new HashSet<>();
        facts.forEach(fact -> numbers.add(fact.text(1)));
        if (!Set.of(reference, "").containsAll(numbers)) {
            numbers.removeAll(Set.of(reference, ""));
        }
        Comparator<String> byAmount = Comparator.comparing(BigDecimal::new);
        List<String> amounts = texts(facts, 4, Objects::nonNull);
        List<String> currencies = texts(facts, 5, Order::stated);
        Facts.Fact both = facts.stream().filter(fact -> fact.text(4) != null && stated(fact.text(5)))
                .max(Comparator.comparing((Facts.Fact fact) -> fact.text(4), byAmount)
                        .thenComparing(fact -> fact.text(5)))
                .orElse(null);
        String amount = both != null ? both.text(4) : amounts.stream().max(byAmount).orElse(null);
        String currency = both != null ? both.text(5) : currencies.stream().max(Comparator.naturalOrder()).orElse(null);
        report("payment.amount", code, amounts, Objects.requireNonNullElse(amount, ""), conflicts);
        report("payment.currency", code, currencies, Objects.requireNonNullElse(currency, ""), conflicts);
        return new Payment(code, greatest(code, "payment_method", texts(facts, 2, Order::stated), conflicts),
                greatest(code, "payment_ref", texts(facts, 3, Order::stated), conflicts), amount, currency,
                greatest(code, "erp_order_no", numbers.stream().filter(Order::stated).toList(), conflicts), first);
    }

    private static List<String> texts(List<Facts.Fact> facts, int place, Predicate<String> wanted) {
        return facts.stream().map(fact -> fact.text(place)).filter(wanted).toList();
    }

    private static String greatest(String code, String field, List<String> values, List<Conflict> conflicts) {
        String chosen = values.stream().max(Comparator.naturalOrder()).orElse(null);
        report("payment." + field, code, values, Objects.requireNonNullElse(chosen, ""), conflicts);
        return chosen;
    }

    private static Map<String, String> paid(List<Payment> payments) {
        TreeMap<String, BigDecimal> sums = new TreeMap<>();
        payments.stream().filter(each -> each.amount() != null && each.currency() != null)
                .forEach(each -> sums.merge(each.currency(), new BigDecimal(each.amount()), BigDecimal::add));
        TreeMap<String, String> found = new TreeMap<>();
        sums.forEach((currency, sum) -> found.put(currency, Facts.money(sum)));
        return found;
    }
}
