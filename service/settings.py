"""Everything that a person can set about the process. The environment is read here and nowhere else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from service.errors import SettingsError
from service.images import MAX_PIXELS

PREFIX = "MAXPOOL_"
FROM_0 = (
    "port",
    "grpc_port",
    "workers",
    "max_connections_per_address",
    "reload_seconds",
    "drain_seconds",
    "grace_seconds",
)
FROM_1 = (
    *("queue_rows", "max_inputs", "max_body_bytes", "max_pixels", "timeout_seconds"),
    *("receive_seconds", "keep_alive_seconds", "max_connections"),
)
DIALECTS = ("oip", "kserve", "huggingface", "torchserve", "sagemaker", "tei")


@dataclass(frozen=True)
class Settings:
    """Each field is set by MAXPOOL_ and its name in capitals. README.md says them in one table (a test compares)."""

    host: str = "127.0.0.1"
    port: int = 8000
    grpc_port: int = 8001  # 0: no gRPC
    models: Path = Path("models")
    workers: int = 0  # processes; 0 for one a CPU (at most 4), or one in all on a GPU
    provider: str = "auto"  # a key of engine.session.PROVIDERS, or auto
    queue_rows: int = 1024  # rows that may wait for one model in one process
    max_inputs: int = 128  # in one request
    max_body_bytes: int = 32 * 1024 * 1024
    max_pixels: int = MAX_PIXELS  # of one picture, before it is decoded
    timeout_seconds: int = 30  # from a whole request to its answer; a client may ask for less, from its head on
    receive_seconds: int = 10  # for a client to send the head of a request, and between two signs of its body
    keep_alive_seconds: int = 5  # for the next request on a connection
    max_connections: int = 8192  # open at once, in one process
    max_connections_per_address: int = 0  # of a client, in one process; 0: no limit, as a proxy is one address
    reload_seconds: int = 1  # within which a change of the models folder is seen; 0: none is after the start
    admin_key_file: str = ""  # with the key that loads and unloads models, or its digest; "": nobody does
    keys_file: str = ""  # with the digests of the keys that requests must have; "": none is asked for
    allow_anonymous: int = 0  # 1: without keys also on an address that others reach
    tls_certificate: str = ""  # file with it and what leads to its root, for HTTP and gRPC; "": no TLS
    tls_key: str = ""  # file with the certificate's private key
    cors_origins: str = ""  # of pages that may ask from a browser, by commas; "": only those of our own
    drain_seconds: int = 5  # between SIGTERM and the stop: not ready any more, and all that comes is answered still
    grace_seconds: int = 30  # for requests under way when the process is told to stop
    dialects: str = ",".join(DIALECTS)  # spoken beside our own, by commas
    default_model: str = ""  # for paths that name none: one, or by commas one for pictures and one for sentences
    predict_route: str = ""  # one more path for predictions by that model, as Vertex AI wants it
    health_route: str = ""  # one more path for readiness
    page: int = 1  # 0: / is as KServe's first protocol has it, and there are no files under /page
    inspect: int = 1  # 0: nobody may look inside a net
    log_level: str = "info"
    request_log: int = 0  # 1: a line of the log for each prediction request and each refusal
    traces_endpoint: str = ""  # of a collector of OpenTelemetry, for OTLP over HTTP; "": no traces
    traces_share: float = 0.01  # of the requests that are part of no trace yet; those of a kept one are traced always

    def __post_init__(self) -> None:
        for name in FROM_0:
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in FROM_1:
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("port", "grpc_port"):
            self._require(name, getattr(self, name) <= 65_535, "at most 65535")
        self._require("request_log", self.request_log in (0, 1), "0 or 1")
        self._require("traces_share", 0 <= self.traces_share <= 1, "from 0 to 1")
        self._require(
            "traces_endpoint",
            not self.traces_endpoint or BASE_URL.fullmatch(self.traces_endpoint) is not None,
            "as http://collector:4318, without /v1/traces",
        )
        self._require("page", self.page in (0, 1), "0 or 1")
        self._require("inspect", self.inspect in (0, 1), "0 or 1")
        self._require("log_level", self.log_level in LOG_LEVELS, f"one of {', '.join(LOG_LEVELS)}")

        self._require("allow_anonymous", self.allow_anonymous in (0, 1), "0 or 1")
        self._require("cors_origins", all(map(ORIGIN.fullmatch, self.origins)), "as https://example.org, by commas")
        for name, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
            self._require(name, not getattr(self, name) or getattr(self, other) != "", f"with {variable(other)}")
        self._require(
            "host",
            self.keys_file != "" or self.allow_anonymous == 1 or is_loopback(self.host),
            f"127.0.0.1 where no keys are asked for; set {variable('keys_file')} (docs/operations.md, Keys), or "
            f"{variable('allow_anonymous')}=1 where whoever reaches this address may ask",
        )

        unknown = set(self.spoken) - set(DIALECTS)
        self._require("dialects", not unknown, f"of {', '.join(DIALECTS)}")
        for name in ("predict_route", "health_route"):
            route = getattr(self, name)
            self._require(name, not route or route.startswith("/"), "a path from / on")

    @property
    def spoken(self) -> tuple[str, ...]:
        return words(self.dialects)

    @property
    def origins(self) -> tuple[str, ...]:
        return words(self.cors_origins)

    @property
    def default_models(self) -> tuple[str, ...]:
        return words(self.default_model)

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise SettingsError(f"{variable(name)} is {getattr(self, name)}: expected {expected}")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError naming the variable, its value and what was expected."""
        kinds: dict[str, type] = {field.name: type(getattr(cls, field.name)) for field in fields(cls)}
        given: dict[str, Any] = {}
        for theirs, name in OF_VERTEX.items():
            if theirs in environ:
                environ = {variable(name): environ[theirs], **environ}
        for given_as, text in environ.items():
            if not given_as.startswith(PREFIX):
                continue
            name = given_as.removeprefix(PREFIX).lower()
            if name not in kinds:
                continue
            try:
                given[name] = Path(text) if issubclass(kinds[name], Path) else kinds[name](text)
            except ValueError:
                number = "a number" if kinds[name] is float else "a whole number"
                raise SettingsError(f"{given_as} is {text!r}: expected {number}") from None
        return cls(**given)

    @classmethod
    def unknown(cls, environ: Mapping[str, str]) -> list[str]:
        """Variables that look like settings and are none; only worth a warning, as Kubernetes sets some itself."""
        known = {variable(field.name) for field in fields(cls)} | OF_OTHERS
        return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def variable(name: str) -> str:
    return PREFIX + name.upper()


def is_loopback(host: str) -> bool:
    """Reached from this machine alone. Of names only one is sure to be."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


# What Vertex AI sets in a container.
OF_VERTEX = {"AIP_HTTP_PORT": "port", "AIP_PREDICT_ROUTE": "predict_route", "AIP_HEALTH_ROUTE": "health_route"}
OF_OTHERS = {"MAXPOOL_API_KEY", "MAXPOOL_DATA", "MAXPOOL_URL"}  # of scripts and of the client
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?|https?://\[[0-9a-f:]+\](:[0-9]+)?")  # as browsers write them
# Of a collector: no query, no spaces, nobody's password, which has no place in a message that quotes it.
BASE_URL = re.compile(r"https?://[^\s/?#@]+(?:/(?!v1/traces)[^\s?#@]*)?")
LOG_LEVELS = ("debug", "info", "warning", "error")
