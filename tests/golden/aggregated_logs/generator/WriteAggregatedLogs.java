import java.io.File;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.yarn.api.records.ApplicationAccessType;
import org.apache.hadoop.yarn.api.records.ApplicationId;
import org.apache.hadoop.yarn.api.records.ContainerId;
import org.apache.hadoop.yarn.api.records.NodeId;
import org.apache.hadoop.yarn.logaggregation.AggregatedLogFormat.LogKey;
import org.apache.hadoop.yarn.logaggregation.AggregatedLogFormat.LogValue;
import org.apache.hadoop.yarn.logaggregation.filecontroller.LogAggregationFileController;
import org.apache.hadoop.yarn.logaggregation.filecontroller.LogAggregationFileControllerContext;
import org.apache.hadoop.yarn.logaggregation.filecontroller.LogAggregationFileControllerFactory;

/**
 * Writes one NodeManager's aggregated log file with the classes that a NodeManager uses.
 *
 * Arguments: format (TFile, IFile), codec (none, gz), owner, application id, host:port, file to write, and local folders
 * that hold {@code <application id>/<container id>/<log file>}. Each folder is one upload; several are rolling aggregation.
 */
public final class WriteAggregatedLogs {
  private static final String CLASSES = "org.apache.hadoop.yarn.logaggregation.filecontroller.";

  public static void main(String[] args) throws Exception {
    String format = args[0];
    String owner = args[2];
    ApplicationId application = ApplicationId.fromString(args[3]);
    String[] uploads = Arrays.copyOfRange(args, 6, args.length);

    Configuration conf = new Configuration();
    conf.addResource("yarn-site.xml");
    conf.set("yarn.log-aggregation.file-formats", format);
    conf.set("yarn.log-aggregation.file-controller.TFile.class", CLASSES + "tfile.LogAggregationTFileController");
    conf.set("yarn.log-aggregation.file-controller.IFile.class", CLASSES + "ifile.LogAggregationIndexedFileController");
    conf.set("yarn.nodemanager.log-aggregation.compression-type", args[1]);
    LogAggregationFileController controller =
        new LogAggregationFileControllerFactory(conf).getFileControllerForWrite();

    Map<ApplicationAccessType, String> acls = new HashMap<>();
    acls.put(ApplicationAccessType.VIEW_APP, owner);
    Path file = new Path(args[5]);
    LogAggregationFileControllerContext context = new LogAggregationFileControllerContext(
        file, file.suffix(".tmp"), uploads.length > 1, uploads.length > 1 ? 3600 : -1, application, acls,
        NodeId.fromString(args[4]), UserGroupInformation.createRemoteUser(owner));
    for (String upload : uploads) {
      context.setLogUploadTimeStamp(1_795_000_000_000L);
      controller.initializeWriter(context);
      File[] containers = new File(upload, args[3]).listFiles();
      Arrays.sort(containers);
      for (File container : containers) {
        ContainerId id = ContainerId.fromString(container.getName());
        controller.write(new LogKey(id), new LogValue(Collections.singletonList(upload), id, owner));
      }
      context.setUploadedLogsInThisCycle(true);
      controller.postWrite(context);
      controller.closeWriter();
      context.increLogAggregationTimes();
    }
  }
}
