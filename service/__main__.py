"""python -m service: serve the models folder, as MAXPOOL_* say."""

import os
import sys
from tempfile import TemporaryDirectory

from service.errors import SettingsError
from service.settings import Settings


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
        for variable in Settings.unknown(os.environ):
            sys.stderr.write(f"maxpool: {variable} is no setting and is ignored\n")
        with TemporaryDirectory(prefix="maxpool-metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # prometheus_client reads it when it is imported
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's; a process that is forked must have one thread
            from service.server import serve

            serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"maxpool: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
