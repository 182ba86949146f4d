"""Spark's own properties of size, place and time, which no pattern of a user's makes a secret."""

from __future__ import annotations

#: Those whose names go on behind a dot as the user or a resource is called.
_OPEN: tuple[str, ...] = (
    *("spark.driver.resource.", "spark.executor.resource.", "spark.yarn.am.resource.", "spark.yarn.driver.resource."),
    *("spark.yarn.executor.resource.", "spark.yarn.security."),
)
#: The names behind ``spark.<group>.`` that the classes of Spark 3.5 and 4.3 know.
_KNOWN = {
    "app": """
        attempt.id id initial.archive.urls initial.file.urls initial.jar.urls name startTime submitTime
    """,
    "driver": """
        appUIAddress bindAddress blockManager.port cores defaultExtraClassPath defaultJavaOptions extraClassPath
        extraJavaOptions extraLibraryPath host libraryPath limitActiveProcessorCount.enabled log.allowErasureCoding
        log.dfsDir log.layout log.localDir log.persistToDfs.enabled log.redirectConsoleOutputs maxResultSize memory
        memoryOverhead memoryOverheadFactor metrics.pollingInterval minMemoryOverhead port python resourcesFile
        supervise timeout userClassPathFirst
    """,
    "eventLog": """
        buffer.kb compress compression.codec dir enabled erasureCoding.enabled excludedPatterns
        gcMetrics.oldGenerationGarbageCollectors gcMetrics.youngGenerationGarbageCollectors
        includeTaskMetricsAccumulators logBlockUpdates.enabled logStageExecutorMetrics longForm.enabled overwrite
        rolling.enabled rolling.maxFileSize testing
    """,
    "executor": """
        allowSparkContext cores decommission.forceKillTimeout decommission.killInterval decommission.signal
        defaultExtraClassPath defaultJavaOptions extraClassPath extraJavaOptions extraLibraryPath
        failuresValidityInterval heartbeat.dropZeroAccumulatorUpdates heartbeat.maxFailures heartbeatInterval id
        instances isolatedSessionCache.size killOnFatalError.depth limitActiveProcessorCount.enabled
        logs.redirectConsoleOutputs logs.rolling.enableCompression logs.rolling.maxRetainedFiles logs.rolling.maxSize
        logs.rolling.size.maxBytes logs.rolling.strategy logs.rolling.time.interval maxNumFailures memory memoryOverhead
        memoryOverheadFactor metrics.fileSystemSchemes metrics.pollingInterval minMemoryOverhead plugins port
        processTreeMetrics.enabled pyspark.memory python.worker.log.details syncLogLevel.enabled uri userClassPathFirst
    """,
    "redaction": """
        regex string.regex
    """,
    "submit": """
        appName callSystemExitOnMainExit deployMode proxyUser.allowCustomClasspathInClusterMode pyFiles
    """,
    "yarn": """
        access.hadoopFileSystems access.namenodes am.attemptFailuresValidityInterval am.clientModeExitOnError
        am.clientModeTreatDisconnectAsFailed am.cores am.defaultJavaOptions am.extraJavaOptions am.extraLibraryPath
        am.finalMessageLimit am.limitActiveProcessorCount.enabled am.memory am.memoryOverhead am.nodeLabelExpression
        am.port am.tokenConfRegex am.waitTime app.attemptId app.container.log.dir app.id applicationMaster.waitTries
        applicationType archive blacklist.executor.launch.blacklisting.enabled cache.confArchive cache.filenames
        cache.sizes cache.timestamps cache.types cache.visibilities client.statCache.preload.enabled
        client.statCache.preload.perDirectoryThreshold client.statCache.preloaded.enabled clientLaunchMonitorInterval
        config.gatewayPath config.replacementPath containerLauncherMaxThreads credentials.file.retention.count
        credentials.file.retention.days dist.archives dist.files dist.forceDownloadSchemes dist.jars dist.pyFiles
        driver.memoryOverhead exclude.nodes executor.failuresValidityInterval executor.launch.excludeOnFailure.enabled
        executor.memoryOverhead executor.nodeLabelExpression executor.oomKill.enabled historyServer.address
        historyServer.allowTracking includeDriverLogsLink isHadoopProvided isPython jar jars kerberos.relogin.period
        kerberos.renewal.excludeHadoopFileSystems keytab launchContainers max.executor.failures max.worker.failures
        maxAppAttempts metrics.namespace populateHadoopClasspath preserve.staging.files principal priority queue
        report.interval report.loggingFrequency resourceFpgaDeviceName resourceGpuDeviceName rolledLog.excludePattern
        rolledLog.includePattern scheduler.heartbeat.interval-ms scheduler.initial-allocation.interval
        scheduler.reporterThread.maxFailures secondary.jars services shuffle.server.recovery.disabled stagingDir
        submit.file.replication submit.waitAppCompletion tags unmanagedAM.enabled user.classpath.first user.jar
    """,
}
_KEYS = frozenset(f"spark.{group}.{name}" for group, names in _KNOWN.items() for name in names.split()) | {
    "spark.master"
}


def is_sparks_own(key: str) -> bool:
    """Whether Spark itself knows a property of this name, which then holds a size, a place, a time or a switch."""
    return key in _KEYS or key.startswith(_OPEN)
