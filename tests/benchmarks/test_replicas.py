"""In short: the long form is python -m benchmarks.replicas."""

import pytest

from benchmarks.replicas import NGINX, replicas

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx")


def test_a_replica_that_is_killed_and_one_that_is_stopped_cost_no_request() -> None:
    (gate,) = replicas(ends=2)
    assert gate.met, gate.found


def test_a_proxy_that_asks_no_second_replica_is_found_out() -> None:
    (gate,) = replicas(ends=1, once=True)
    assert not gate.met
