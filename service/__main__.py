"""python -m service: serve the models folder, as MAXPOOL_* say."""

import os
import sys
from tempfile import TemporaryDirectory

import uvicorn

from service.app import worker_count
from service.engine.session import choose_provider
from service.errors import SettingsError
from service.log import log_config
from service.metrics import MULTIPROCESS
from service.settings import Settings


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
        for variable in Settings.unknown(os.environ):
            sys.stderr.write(f"maxpool: {variable} is no setting and is ignored\n")
        workers = worker_count(settings, choose_provider(settings.provider))
        if not settings.models.is_dir():
            raise SettingsError(f"the models folder {settings.models.absolute()} is missing: set MAXPOOL_MODELS")
    except SettingsError as error:
        sys.stderr.write(f"maxpool: {error}\n")
        return 2
    with TemporaryDirectory(prefix="maxpool-metrics-") as folder:
        if workers > 1:
            os.environ[MULTIPROCESS] = folder  # read by prometheus_client in each worker
        uvicorn.run(
            "service.app:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=workers,
            loop="uvloop",
            http="httptools",
            access_log=False,  # costs more than a small net; the metrics count requests
            log_config=log_config(settings.log_level),
            server_header=False,
            timeout_graceful_shutdown=settings.grace_seconds,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
