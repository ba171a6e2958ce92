import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;

/** What is to be told to Norce after a change of an order, by the default policies. */
final class Updates {
    private static final byte[] NAMESPACE = Ids.namespace("urn:norce-pipeline:update");
    private static final int MAX_INFO_VALUE = 1000;
    private static final int ROOM_FOR_COUNT = "+999".length();

    private Updates() {}

    /** One Info of Connect. */
    private record Info(String code, String value) implements Json.Writable {
        @Override
        public void fields(Json json) {
            json.field("code", code).field("value", value);
        }
    }

    static List<byte[]> derive(Order before, Order after) {
        List<byte[]> updates = new ArrayList<>();
        boolean number = before == null || (!Objects.equals(before.orderNo(), after.orderNo())
                && !isBasket(after.reference()));
        if (before == null || number || !sameForConnect(before, after)) {
            List<Info> infos = infos(after);
            if (!infos.isEmpty() && (before == null || number || !infos(before).equals(infos))) {
                Json content = Json.object(json -> json.field("infos", infos).field("order_status", null));
                updates.add(update("connect", after, content, content));
            }
        }
        if (before == null || !sameForCheckout(before, after)) {
            Map<String, Object> attributes = attributes(after);
            if (!attributes.isEmpty() && (before == null || !attributes(before).equals(attributes))) {
                attributes.put("version", after.version());
                updates.add(update("checkout", after, Json.object(json -> json.field("attributes", attributes)),
                        Json.object(json -> json.field("attributes", new TreeMap<>(attributes)))));
            }
        }
        return updates;
    }

    private static boolean sameForConnect(Order one, Order other) {
        return one.paymentState().equals(other.paymentState()) && one.paid().equals(other.paid())
                && one.payments().equals(other.payments()) && one.failures().equals(other.failures());
    }

    private static boolean sameForCheckout(Order one, Order other) {
        return one.status().equals(other.status()) && Objects.equals(one.orderNo(), other.orderNo())
                && one.paymentState().equals(other.paymentState()) && one.paid().equals(other.paid())
                && one.failures().equals(other.failures());
    }

    private static List<Info> infos(Order order) {
        List<Info> infos = new ArrayList<>();
        if (!order.payments().isEmpty()) {
            infos.add(new Info("PaymentState", order.paymentState()));
        }
        info(infos, "PaidAmount", listed(order.paid().entrySet().stream()
                .map(each -> each.getValue() + " " + each.getKey()).toList()));
        info(infos, "PaymentCodes", listed(order.payments().stream().map(Order.Payment::code).toList()));
        info(infos, "SubscriptionFailures", order.failed() == 0 ? "" : String.valueOf(order.failed()));
        return infos;
    }

    private static void info(List<Info> infos, String code, String value) {
        if (!value.isEmpty()) {
            infos.add(new Info(code, value));
        }
    }

    private static Map<String, Object> attributes(Order order) {
        Map<String, Object> attributes = new LinkedHashMap<>();
        attributes.put("status", order.status());
        if (order.orderNo() != null) {
            attributes.put("order_no", order.orderNo());
        }
        attributes.put("payment_state", order.paymentState());
        if (!order.paid().isEmpty()) {
            attributes.put("paid", order.paid());
        }
        if (order.failed() > 0) {
            attributes.put("subscription_failures", order.failed());
        }
        return attributes;
    }

    private static byte[] update(String target, Order order, Json content, Json canonical) {
        String id = Ids.of(NAMESPACE, Json.array(array ->
                array.item(target).item(order.key()).item(order.version()).item(canonical)).bytes());
        return Json.object(json -> json.field("target", target).field("id", id).field("client_id", order.clientId())
                .field("application_id", order.applicationId()).field("client_order_ref", order.reference())
                .field("order_no", order.orderNo()).field("version", order.version()).field("content", content))
                        .bytes();
    }

    /** Distinct values, sorted; those that do not fit are counted. */
    private static String listed(List<String> values) {
        List<String> distinct = List.copyOf(new TreeSet<>(values));
        String text = String.join(", ", distinct);
        if (text.length() <= MAX_INFO_VALUE) {
            return text;
        }
        List<String> kept = new ArrayList<>();
        int length = 0;
        for (String value : distinct) {
            length += value.length() + 2;
            if (length <= MAX_INFO_VALUE - ROOM_FOR_COUNT) {
                kept.add(value);
            }
        }
        kept.add("+" + (distinct.size() - kept.size()));
        return String.join(", ", kept);
    }

    /** Whether a reference is the plain text of a number of 32 bits. */
    private static boolean isBasket(String reference) {
        try {
            return String.valueOf(Integer.parseInt(reference)).equals(reference);
        } catch (NumberFormatException error) {
            return false;
        }
    }
}
