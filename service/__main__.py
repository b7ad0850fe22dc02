"""python -m service: serve the models folder, as MAXPOOL_* say."""

import logging
import os
import sys
from tempfile import TemporaryDirectory

from service.errors import SettingsError
from service.log import set_up
from service.settings import Settings


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
        set_up(settings.log_level)
        for variable in Settings.unknown(os.environ):
            logging.getLogger("maxpool").warning("%s is no setting and is ignored", variable)
        with TemporaryDirectory(prefix="maxpool-metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # prometheus_client reads it when it is imported
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's; a process that is forked must have one thread
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its lines are no JSON, and quote what clients send
            from service.server import serve

            serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"maxpool: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
