import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.security.alias.CredentialProvider;
import org.apache.hadoop.security.alias.CredentialProviderFactory;

/** Prints, for each alias, its secret in Base64 on a line of its own; an empty line where no provider has it. */
public class ReadCredentials {
  public static void main(String[] arguments) throws Exception {
    Configuration conf = new Configuration();
    conf.set(CredentialProviderFactory.CREDENTIAL_PROVIDER_PATH, arguments[0]);
    for (String alias : Arrays.copyOfRange(arguments, 1, arguments.length)) {
      System.out.println(read(conf, alias));
    }
  }

  private static String read(Configuration conf, String alias) throws Exception {
    for (CredentialProvider provider : CredentialProviderFactory.getProviders(conf)) {
      CredentialProvider.CredentialEntry entry = provider.getCredentialEntry(alias);
      if (entry != null) {
        ByteBuffer bytes = StandardCharsets.UTF_8.encode(CharBuffer.wrap(entry.getCredential()));
        return Base64.getEncoder().encodeToString(Arrays.copyOf(bytes.array(), bytes.limit()));
      }
    }
    return "";
  }
}
