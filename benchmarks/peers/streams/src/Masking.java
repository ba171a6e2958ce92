import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The pipeline's rule of what of a free text may stand where everybody reads it. */
final class Masking {
    private static final int FLAGS = Pattern.UNICODE_CHARACTER_CLASS;
    private static final Pattern E_MAIL =
            Pattern.compile("(?<!\\S)\\S*?[^\\s@\uff20][@\uff20]+[^\\s@\uff20]\\S*", FLAGS);
    private static final String RULE = "(\\[(?:e-mail|number|person)\\])"
            + "|([+(]{0,2}\\d(?:[\\s().\\-\u2010-\u2015/]{0,3}\\d){6,})";
    private static final int KEPT = 1;
    private static final int NUMBER = 2;
    private static final int ANY_CASE = FLAGS | Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE;
    private static final Pattern IMPERSONAL = Pattern.compile(RULE, ANY_CASE);

    private Masking() {}

    static String masked(String text, List<String> persons) {
        List<String> words = persons.stream().map(String::strip).filter(word -> !word.isEmpty()).toList();
        for (String seen = once(text, words); !seen.equals(text); seen = once(text, words)) {
            text = seen;
        }
        return text;
    }

    private static String once(String text, List<String> words) {
        String without = E_MAIL.matcher(text).replaceAll("[e-mail]");
        String names = words.stream().distinct().filter(word -> mayHold(without, word))
                .sorted(Comparator.comparing((String word) -> -word.length()).thenComparing(Comparator.naturalOrder()))
                .map(Pattern::quote).collect(Collectors.joining("|"));
        Pattern rule = names.isEmpty() ? IMPERSONAL
                : Pattern.compile(RULE + "|(?<!\\w)(" + names + ")(?!\\w)", ANY_CASE);
        return rule.matcher(without).replaceAll(found -> Matcher.quoteReplacement(mask(found)));
    }

    private static boolean mayHold(String text, String word) {
        boolean ascii = (text + word).chars().allMatch(one -> one < 128);
        return !ascii || text.toLowerCase(Locale.ROOT).contains(word.toLowerCase(Locale.ROOT));
    }

    private static String mask(MatchResult found) {
        if (found.group(KEPT) != null) {
            return found.group();
        }
        return found.group(NUMBER) != null ? "[number]" : "[person]";
    }
}
