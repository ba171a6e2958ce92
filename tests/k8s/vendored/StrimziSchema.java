import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.BeanPropertyDefinition;
import java.util.*;
import java.lang.reflect.*;

public class StrimziSchema {
    static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        Class<?> spec = Class.forName(args[0]);
        System.out.println(MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(schema(MAPPER.constructType(spec))));
    }

    static Map<String, Object> schema(com.fasterxml.jackson.databind.JavaType type) throws Exception {
        Class<?> raw = type.getRawClass();
        Map<String, Object> out = new LinkedHashMap<>();
        if (raw.isEnum()) {
            List<Object> values = new ArrayList<>();
            for (Object constant : raw.getEnumConstants()) values.add(MAPPER.convertValue(constant, String.class));
            out.put("type", "string"); out.put("enum", values);
        } else if (raw == String.class) out.put("type", "string");
        else if (raw == Integer.class || raw == int.class || raw == Long.class || raw == long.class) out.put("type", "integer");
        else if (raw == Double.class || raw == double.class) out.put("type", "number");
        else if (raw == Boolean.class || raw == boolean.class) out.put("type", "boolean");
        else if (type.isCollectionLikeType()) { out.put("type", "array"); out.put("items", schema(type.getContentType())); }
        else if (type.isMapLikeType() || raw == Object.class || !raw.getName().startsWith("io.strimzi")) out.put("type", "object");
        else {
            JsonSubTypes subs = raw.getAnnotation(JsonSubTypes.class);
            if (subs != null) {
                List<Object> all = new ArrayList<>();
                for (JsonSubTypes.Type sub : subs.value()) {
                    Map<String, Object> one = object(MAPPER.constructType(sub.value()));
                    ((Map<String, Object>) one.get("properties")).put("type", Map.of("const", sub.name()));
                    one.put("required", List.of("type"));
                    all.add(one);
                }
                out.put("oneOf", all);
            } else out = object(type);
        }
        return out;
    }

    static Map<String, Object> object(com.fasterxml.jackson.databind.JavaType type) throws Exception {
        Map<String, Object> properties = new TreeMap<>();
        for (BeanPropertyDefinition p : MAPPER.getSerializationConfig().introspect(type).findProperties())
            if (!p.getName().equals("additionalProperties") && p.getPrimaryType() != null) properties.put(p.getName(), schema(p.getPrimaryType()));
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("type", "object"); out.put("additionalProperties", false); out.put("properties", properties);
        return out;
    }
}
