"""One replica on a Ray of its own, until SIGTERM: python -m benchmarks.raynode PORT."""

import contextlib
import signal
import sys

import ray
from ray import serve

from deploy.ray_serve import application


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    at = {"host": "127.0.0.1", "port": int(sys.argv[1])}
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    serve.start(proxy_location="HeadOnly", http_options=at)
    try:
        with contextlib.redirect_stdout(None):
            serve.run(application)
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
