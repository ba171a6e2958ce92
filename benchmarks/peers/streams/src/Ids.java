import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** UUIDs of version 5: made from content. */
final class Ids {
    private static final byte[] URLS = HexFormat.of().parseHex("6ba7b8119dad11d180b400c04fd430c8");

    private Ids() {}

    static byte[] namespace(String name) {
        return HexFormat.of().parseHex(of(URLS, name.getBytes(StandardCharsets.UTF_8)).replace("-", ""));
    }

    static String of(byte[] namespace, byte[] name) {
        byte[] digest;
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-1");
            sha.update(namespace);
            digest = sha.digest(name);
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
        digest[6] = (byte) (digest[6] & 0x0f | 0x50);
        digest[8] = (byte) (digest[8] & 0x3f | 0x80);
        String hex = HexFormat.of().formatHex(digest, 0, 16);
        return String.join("-", hex.substring(0, 8), hex.substring(8, 12), hex.substring(12, 16), hex.substring(16, 20),
                hex.substring(20));
    }
}
