# The serving image: Python, ONNX Runtime and the models; no torch, no onnx, no compiler.
# For a GPU: docker build --build-arg ONNXRUNTIME=serve-gpu .
# For the same base every time: --build-arg PYTHON=python:3.13-slim@sha256:…
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS packages
ARG ONNXRUNTIME=serve
WORKDIR /app
RUN python -m venv /venv && /venv/bin/python -m pip install --no-cache-dir 'pip==26.3'
COPY pyproject.toml constraints.txt ./
RUN /venv/bin/python -m pip install --no-cache-dir -c constraints.txt --group ${ONNXRUNTIME} \
 && /venv/bin/python -m pip uninstall --yes pip

FROM ${PYTHON}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin maxpool \
 && python -m pip uninstall --yes --root-user-action=ignore pip
WORKDIR /app
COPY --from=packages /venv /venv
COPY service service
COPY models models
# SageMaker starts a container with the one word `serve`.
RUN printf '#!/bin/sh\nexec python -m service\n' > /usr/local/bin/serve && chmod 755 /usr/local/bin/serve
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 MAXPOOL_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s \
  CMD ["python", "-c", "import os, ssl, urllib.request as u; \
port, tls = os.environ.get('MAXPOOL_PORT', 8000), os.environ.get('MAXPOOL_TLS_CERTIFICATE'); \
u.urlopen(f'http{\"s\" * bool(tls)}://127.0.0.1:{port}/readyz', timeout=2, context=ssl._create_unverified_context())"]
# Other machines reach this address, so that it starts with MAXPOOL_KEYS_FILE, or with MAXPOOL_ALLOW_ANONYMOUS=1 where
# whoever reaches the container may ask.
CMD ["python", "-m", "service"]
