"""Under which name a token for HDFS is looked for, and who renews it."""

from __future__ import annotations

import pytest

from batch_submit.plan.rest.delegation import Service, renewer_of, service_of


@pytest.mark.parametrize(
    ("default_fs", "service"),
    [
        ("hdfs://nn.example.com:9000", Service(host="nn.example.com", port=9000)),
        ("hdfs://nn.example.com", Service(host="nn.example.com", port=8020)),
        ("hdfs://[fd00::1]:9000", Service(host="fd00::1", port=9000)),
        ("hdfs://main", Service("ha-hdfs:main")),
    ],
)
def test_the_service_of_a_file_system(default_fs: str, service: Service) -> None:
    assert service_of(default_fs, ("main", "other")) == service


def test_by_name_where_the_cluster_wants_it() -> None:
    assert service_of("hdfs://NN.example.com:9000", (), by_ip=False) == Service("nn.example.com:9000")


@pytest.mark.parametrize(
    ("principal", "host", "renewer"),
    [
        ("rm/rm1.example.com@X", "rm2.example.com", "rm/rm1.example.com@X"),
        ("rm/_HOST@X", "RM1.example.com", "rm/rm1.example.com@X"),
        ("rm/_HOST@X", "", ""),
        ("yarn@X", "rm1", "yarn@X"),
        ("", "rm1", ""),
    ],
)
def test_the_resourcemanager_renews(principal: str, host: str, renewer: str) -> None:
    assert renewer_of(principal, host) == renewer
