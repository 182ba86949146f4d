package org.apache.hadoop.io;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Set;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Stands before Hadoop's class of this name on the class path of the dev cluster's NodeManagers, and nowhere else.
 *
 * <p>With Kerberos Hadoop's own asks native code who owns a container's log before it opens it, and without that code
 * its static initialiser ends the NodeManager at the first log aggregation. On one host all containers run as the user
 * of the NodeManager, so that the owner would tell nothing: here the file is opened without the question.
 */
public final class SecureIOUtils {
  private SecureIOUtils() {}

  /** Thrown by {@link #createForWrite} for a file that exists. */
  public static class AlreadyExistsException extends IOException {
    private static final long serialVersionUID = 1L;

    public AlreadyExistsException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  public static RandomAccessFile openForRandomRead(File file, String mode, String owner, String group)
      throws IOException {
    return new RandomAccessFile(file, mode);
  }

  public static FSDataInputStream openFSDataInputStream(File file, String owner, String group) throws IOException {
    return FileSystem.getLocal(new Configuration()).getRaw().open(new Path(file.getAbsolutePath()));
  }

  public static FileInputStream openForRead(File file, String owner, String group) throws IOException {
    return new FileInputStream(file);
  }

  /** The permissions are given as nine bits, such as 0640. */
  public static FileOutputStream createForWrite(File file, int permissions) throws IOException {
    PosixFilePermission[] bits = PosixFilePermission.values(); // from OWNER_READ to OTHERS_EXECUTE
    Set<PosixFilePermission> granted = EnumSet.noneOf(PosixFilePermission.class);
    for (int bit = 0; bit < bits.length; bit++) {
      if ((permissions & (0400 >> bit)) != 0) {
        granted.add(bits[bit]);
      }
    }
    try {
      Files.createFile(file.toPath(), PosixFilePermissions.asFileAttribute(granted));
    } catch (FileAlreadyExistsException error) {
      throw new AlreadyExistsException("File " + file + " already exists", error);
    }
    return new FileOutputStream(file);
  }
}
