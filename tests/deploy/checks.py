"""What must hold of the manifests: each check yields what is wrong."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate

from service.errors import SettingsError
from service.settings import Settings
from tests.conftest import ROOT
from tests.deploy.manifests import Object, Objects, environment, names, of_kind, pods, probes

KUBERNETES = ("1.32", "1.37")  # the oldest and the newest that the manifests are held against
CUSTOM = {  # kind -> its version and the fields that it can not do without
    "ScaledObject": ("keda.sh/v1alpha1", ("scaleTargetRef", "triggers")),
    "PodMonitor": ("monitoring.coreos.com/v1", ("selector", "podMetricsEndpoints")),
    "ServingRuntime": ("serving.kserve.io/v1alpha1", ("supportedModelFormats", "protocolVersions", "containers")),
    "InferenceService": ("serving.kserve.io/v1beta1", ("predictor",)),
}
SECRETS = {"maxpool-keys", "maxpool-scrape"}  # docs/kubernetes.md says how they are made
HANGS = 5  # seconds that a worker has that is told to stop and does not
IMAGE = dict(re.findall(r"(MAXPOOL_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
USER = tuple(map(int, re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]))


def schema(objects: Objects) -> Iterator[str]:
    for each in objects:
        if each["kind"] in CUSTOM:
            version, required = CUSTOM[each["kind"]]
            if each["apiVersion"] != version or not all(each["spec"].get(field) for field in required):
                yield f"{each['kind']} is not of {version} with {required}"
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{each['kind']}: {error.message}"


def settings(objects: Objects) -> Iterator[str]:
    for pod, container, _ in pods(objects):
        environ = environment(objects, container)
        yield from (f"{name} is no setting" for name in Settings.unknown(environ))
        try:
            read = Settings.from_env(IMAGE | environ)
        except SettingsError as error:
            yield str(error)
            continue
        if not any(read.keys_file.startswith(f"{each['mountPath']}/") for each in container["volumeMounts"]):
            yield f"{read.keys_file} is in no volume"
        if pod.get("enableServiceLinks") is not False:
            yield "a Service called maxpool would set MAXPOOL_PORT"


def stop(objects: Objects) -> Iterator[str]:
    for pod, container, _ in pods(objects):
        read = Settings.from_env(IMAGE | environment(objects, container))
        readiness = container["readinessProbe"]
        if pod["terminationGracePeriodSeconds"] < read.drain_seconds + read.grace_seconds + HANGS:
            yield "killed before its drain and its grace are over"
        if read.drain_seconds < 2 * readiness["periodSeconds"] * readiness["failureThreshold"]:
            yield "stops before it is known that it is not ready"


def ports(objects: Objects) -> Iterator[str]:
    for _, container, _ in pods(objects):
        read = Settings.from_env(IMAGE | environment(objects, container))
        named = {each.get("name"): each["containerPort"] for each in container["ports"]}
        if set(named.values()) != {read.port, read.grpc_port} - {0}:
            yield f"it listens on {read.port} and {read.grpc_port}"
        for name, probe in probes(container).items():
            port = probe["httpGet"]["port"]
            if named.get(port, port) != read.port:
                yield f"{name} asks port {port}"
        for each in of_kind(objects, "Service"):
            yield from (
                f"no port {port['targetPort']}" for port in each["spec"]["ports"] if port["targetPort"] not in named
            )
        for each in of_kind(objects, "NetworkPolicy"):
            open_ports = {port["port"] for rule in each["spec"]["ingress"] for port in rule["ports"]}
            yield from (f"no port {port}" for port in open_ports - set(named))
        for each in of_kind(objects, "PodMonitor"):
            scraped = {endpoint["port"] for endpoint in each["spec"]["podMetricsEndpoints"]}
            yield from (f"no port {port}" for port in scraped - set(named))


def selectors(objects: Objects) -> Iterator[str]:
    labels = [labels for _, _, labels in pods(objects)]
    for each in objects:
        spec = each.get("spec", {})
        wanted: list[Any] = [
            spec.get("selector") if each["kind"] == "Service" else (spec.get("selector") or {}).get("matchLabels"),
            (spec.get("podSelector") or {}).get("matchLabels"),
        ]
        if each["kind"] == "Deployment":
            spread = spec["template"]["spec"]["topologySpreadConstraints"]
            wanted += [constraint["labelSelector"]["matchLabels"] for constraint in spread]
        for selector in filter(None, wanted):
            if not any(selector.items() <= of_pod.items() for of_pod in labels):
                yield f"{each['kind']} selects {selector}, which no pod has"


def references(objects: Objects) -> Iterator[str]:
    for pod, container, _ in pods(objects):
        volumes = {each["name"]: each for each in pod["volumes"]}
        yield from (f"no volume {each['name']}" for each in container["volumeMounts"] if each["name"] not in volumes)
        for each in volumes.values():
            if "secret" in each and each["secret"]["secretName"] not in SECRETS:
                yield f"nobody makes {each['secret']}"
            if "persistentVolumeClaim" in each:
                claim = each["persistentVolumeClaim"]["claimName"]
                if claim not in names(objects, "PersistentVolumeClaim"):
                    yield f"no claim {claim}"
        account = pod.get("serviceAccountName")
        if account and account not in names(objects, "ServiceAccount"):
            yield f"no account {account}"
    for each in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        if each["spec"]["scaleTargetRef"]["name"] not in names(objects, "Deployment"):
            yield f"{each['kind']} scales nothing"
    for each in of_kind(objects, "InferenceService"):
        model = each["spec"]["predictor"]["model"]
        runtimes = [r for r in of_kind(objects, "ServingRuntime") if r["metadata"]["name"] == model["runtime"]]
        if not any(
            all(model["modelFormat"][field] == known[field] for field in ("name", "version"))
            and model["protocolVersion"] in runtime["spec"]["protocolVersions"]
            for runtime in runtimes
            for known in runtime["spec"]["supportedModelFormats"]
        ):
            yield "its runtime is not here, or not for its format"


def scaling(objects: Objects) -> Iterator[str]:
    scalers = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject", "InferenceService")
    if len(scalers) != 1:
        yield f"{len(scalers)} scale it"
    for each in of_kind(objects, "Deployment"):
        if "replicas" in each["spec"]:
            yield "each apply would set the number of pods back"
        if each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
            yield "a rollout takes pods away before there are others"
    for each in scalers:
        spec = each["spec"].get("predictor", each["spec"])
        low = spec.get("minReplicas", spec.get("minReplicaCount"))
        high = spec.get("maxReplicas", spec.get("maxReplicaCount"))
        if not 2 <= low < high:
            yield f"from {low} to {high} pods: one alone has a gap"


def hardened(objects: Objects) -> Iterator[str]:
    for pod, container, _ in pods(objects):
        context = {**pod.get("securityContext", {}), **container["securityContext"]}
        wanted: Object = {
            "runAsNonRoot": True,
            "runAsUser": USER[0],
            "runAsGroup": USER[1],
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        yield from (f"{name} is not {value}" for name, value in wanted.items() if context.get(name) != value)
        if context.get("privileged"):
            yield "it is as good as the node's root"
        if pod.get("automountServiceAccountToken") is not False:
            yield "it has a token of the cluster"
        if pod.keys() & {"hostNetwork", "hostPID", "hostIPC"} or any("hostPath" in each for each in pod["volumes"]):
            yield "something of the host"
        if not any(each["mountPath"] == "/tmp" for each in container["volumeMounts"]):
            yield "it needs a /tmp, for the counters"
        if any("emptyDir" in each and "sizeLimit" not in each["emptyDir"] for each in pod["volumes"]):
            yield "a volume without a limit"
        if any(not each.get("readOnly") for each in container["volumeMounts"] if each["mountPath"] != "/tmp"):
            yield "a volume that it can write"
        limits = container["resources"]["limits"]
        if "memory" not in limits or "cpu" not in limits:
            yield "it may take what the node has, and makes as many workers"
    for each in of_kind(objects, "NetworkPolicy"):
        if each["spec"]["policyTypes"] != ["Ingress", "Egress"] or each["spec"].get("egress"):
            yield "it may reach out"
        if any(not rule.get("from") for rule in each["spec"]["ingress"]):
            yield "anybody may reach it"


def image(objects: Objects) -> Iterator[str]:
    for pod, container, _ in pods(objects):
        environ = environment(objects, container)
        on_gpu = "nvidia.com/gpu" in container["resources"]["limits"]
        if not re.fullmatch(r"maxpool:\d+\.\d+\.\d+" + "-gpu" * on_gpu, container["image"]):
            yield f"{container['image']} is not a fixed version"
        if on_gpu and (environ.get("MAXPOOL_PROVIDER"), environ.get("MAXPOOL_WORKERS")) != ("cuda", "1"):
            yield "a GPU is taken and not used, or by many"
        if on_gpu and not any(each["key"] == "nvidia.com/gpu" for each in pod["tolerations"]):
            yield "nodes with GPUs let nothing else in"
