"""The dev cluster: one NameNode, DataNode, ResourceManager and JobHistoryServer, and N NodeManagers, one JVM each.

Standard library only: it has to run with a plain ``python3`` before any virtual environment exists.
"""
