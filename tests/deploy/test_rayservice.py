"""deploy/ray/rayservice.yaml, of which no cluster here can say more."""

import yaml

from benchmarks.rayserver import of_nodes
from tests.conftest import ROOT


def test_kuberay_gets_the_same_applications_and_a_closed_network() -> None:
    service, policy = yaml.safe_load_all((ROOT / "deploy/ray/rayservice.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("ray.io/v1", "RayService")
    written = yaml.safe_load((ROOT / "deploy/ray/serve.yaml").read_text())
    assert yaml.safe_load(service["spec"]["serveConfigV2"]) == written
    (application,) = written["applications"]
    (deployment,) = application["deployments"]
    cluster = service["spec"]["rayClusterConfig"]
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (cluster["headGroupSpec"], workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {each["name"]: each["value"] for each in container["env"]} == of_nodes()
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["terminationGracePeriodSeconds"] > deployment["graceful_shutdown_timeout_s"]
    assert int(workers["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]) >= 1
    assert policy["kind"] == "NetworkPolicy"
    (everybody,) = [rule for rule in policy["spec"]["ingress"] if "from" not in rule]
    assert everybody["ports"] == [{"port": written["http_options"]["port"]}]
