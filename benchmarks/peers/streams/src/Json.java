import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** JSON as the pipeline writes it: no blanks, no escapes but those that have to be. */
final class Json {
    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

    private final StringBuilder text = new StringBuilder(512);
    private boolean first = true;

    static JsonNode read(byte[] json) {
        try {
            return MAPPER.readTree(json);
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException(error);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** A text or null. */
    static String text(JsonNode object, String name) {
        JsonNode found = object.get(name);
        return found == null || found.isNull() ? null : found.textValue();
    }

    /** An integer or null. */
    static Long number(JsonNode object, String name) {
        JsonNode found = object.get(name);
        return found == null || found.isNull() ? null : (Long) found.longValue();
    }

    static Json object(Consumer<Json> fields) {
        return new Json().nested('{', fields, '}');
    }

    static Json array(Consumer<Json> items) {
        return new Json().nested('[', items, ']');
    }

    /** A field of an object. */
    Json field(String name, Object value) {
        separate();
        quote(name);
        text.append(':');
        write(value);
        return this;
    }

    /** An item of an array. */
    Json item(Object value) {
        separate();
        write(value);
        return this;
    }

    byte[] bytes() {
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String toString() {
        return text.toString();
    }

    private Json nested(char open, Consumer<Json> inside, char close) {
        boolean outer = first;
        first = true;
        text.append(open);
        inside.accept(this);
        text.append(close);
        first = outer;
        return this;
    }

    private void separate() {
        if (!first) {
            text.append(',');
        }
        first = false;
    }

    private void write(Object value) {
        if (value == null || value instanceof Number) {
            text.append(value);
        } else if (value instanceof Writable writable) {
            nested('{', writable::fields, '}');
        } else if (value instanceof Json json) {
            text.append(json.text);
        } else if (value instanceof List<?> list) {
            nested('[', array -> list.forEach(array::item), ']');
        } else if (value instanceof Map<?, ?> map) {
            nested('{', object -> {
                Iterator<? extends Map.Entry<?, ?>> entries = map.entrySet().iterator();
                while (entries.hasNext()) {
                    Map.Entry<?, ?> entry = entries.next();
                    object.field(entry.getKey().toString(), entry.getValue());
                }
            }, '}');
        } else {
            quote(value.toString());
        }
    }

    private void quote(String value) {
        text.append('"');
        for (int place = 0; place < value.length(); place++) {
            char one = value.charAt(place);
            switch (one) {
                case '"' -> text.append("\\\"");
                case '\\' -> text.append("\\\\");
                case '\b' -> text.append("\\b");
                case '\f' -> text.append("\\f");
                case '\n' -> text.append("\\n");
                case '\r' -> text.append("\\r");
                case '\t' -> text.append("\\t");
                default -> {
                    if (one < 0x20) {
                        text.append(String.format("\\u%04x", (int) one));
                    } else {
                        text.append(one);
                    }
                }
            }
        }
        text.append('"');
    }

    /** Something that is written as an object. */
    interface Writable {
        void fields(Json json);
    }
}
