# Each target installs what it needs into .venv. ONNXRUNTIME=serve-gpu serves on a GPU.
PYTHON ?= python3
ONNXRUNTIME ?= serve
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# torch's CPU build, a tenth of the default one's size, where its index answers.
TORCH_CPU := https://download.pytorch.org/whl/cpu
TORCH_INDEX = $(shell $(PYTHON) -c "import urllib.request as u; u.urlopen('$(TORCH_CPU)/torch/', timeout=5)" 2>/dev/null && echo --extra-index-url $(TORCH_CPU))

.PHONY: serve test models bench clients ray audit lock proto

serve: .venv/$(ONNXRUNTIME)
	$(BIN)/python -m service

# Two files at a time, each with one thread of torch's: more would only be in each other's way.
test: .venv/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Each goes on where it was stopped: a run that is done is not trained again, for which remove runs/.
models: .venv/train
	$(BIN)/python -m scripts.train --net convnetjs --data cifar10 --out runs/convnetjs-cifar10 --resume
	$(BIN)/python -m scripts.export runs/convnetjs-cifar10 --name convnetjs-cifar10 --version 1 --replace
	$(BIN)/python -m scripts.train --net resnet20 --data cifar10 --out runs/resnet20-cifar10 --resume
	$(BIN)/python -m scripts.train --net resnet20 --data cifar10 --init runs/resnet20-cifar10 --out runs/resnet20-cifar10-second --resume
	$(BIN)/python -m scripts.export runs/resnet20-cifar10-second --name resnet20-cifar10 --version 1 --replace
	$(BIN)/python -m scripts.quantize models/resnet20-cifar10/1 --name resnet20-cifar10-int8 --version 1 --replace
	$(BIN)/python -m scripts.train --net lenet5 --data mnist --out runs/lenet5-mnist --resume
	$(BIN)/python -m scripts.export runs/lenet5-mnist --name lenet5-mnist --version 1 --replace
	$(BIN)/python -m scripts.train --net textcnn --data mr --out runs/textcnn-mr --resume
	$(BIN)/python -m scripts.export runs/textcnn-mr --name textcnn-mr --version 1 --replace
	$(BIN)/python -m scripts.train --net textcnn --data trec --out runs/textcnn-trec --resume
	$(BIN)/python -m scripts.export runs/textcnn-trec --name textcnn-trec --version 1 --replace

bench: .venv/dev
	$(BIN)/python -m benchmarks.report

# Other people's clients want older packages than constraints.txt has.
clients:
	$(PYTHON) -m venv .cache/clients
	.cache/clients/bin/python -m pip install --quiet --disable-pip-version-check 'pip==26.3'
	.cache/clients/bin/python -m pip install --quiet --disable-pip-version-check --group clients
	.cache/clients/bin/python -m pytest tests/clients/test_tritonclient_grpc.py -rs
	.cache/clients/bin/python -m pytest tests/clients --ignore tests/clients/test_tritonclient_grpc.py -rs

# Replicas on a cluster of Ray's, 750 MB of packages: the tests take some three minutes.
ray: .cache/ray/bin/python
	.cache/ray/bin/python -m pytest tests/deploy/test_ray_serve.py -rs

.cache/ray/bin/python: pyproject.toml constraints.txt
	$(PYTHON) -m venv .cache/ray
	.cache/ray/bin/python -m pip install --quiet --disable-pip-version-check 'pip==26.3'
	.cache/ray/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group ray-tests
	touch $@

# What the image installs, listed as CycloneDX has it, and what is published against it: that fails, too, where no source
# of advisories answers.
audit: .venv/dev
	$(PYTHON) -m venv --clear --without-pip .cache/serve
	$(BIN)/python -m pip --python .cache/serve install --quiet --disable-pip-version-check -c constraints.txt --group serve
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --output-reproducible -o dist/sbom.json .cache/serve
	$(BIN)/pip-audit --strict --path $$(.cache/serve/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# The messages of the Open Inference Protocol over gRPC, compiled for protobuf to read.
proto: .venv/dev
	$(BIN)/python -m grpc_tools.protoc -I service/protocols --descriptor_set_out=service/protocols/oip.binpb oip.proto

# The GPU's packages are not installed here, so their lines are kept as they are.
lock: .venv/dev .cache/ray/bin/python
	{ head -n 1 constraints.txt; { grep -E '^(nvidia-|onnxruntime-gpu)' constraints.txt; \
	  for each in $(BIN) .cache/ray/bin; do $$each/python -m pip freeze --exclude-editable; done | sed 's/+cpu$$//'; } \
	  | sort -fu; } > constraints.new
	mv constraints.new constraints.txt

.venv/pip:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip==26.3'
	touch $@

.venv/serve .venv/serve-gpu: .venv/pip pyproject.toml constraints.txt
	$(PIP) --group $(notdir $@)
	touch $@

.venv/train .venv/dev: .venv/pip pyproject.toml constraints.txt
	$(PIP) $(TORCH_INDEX) --group $(notdir $@)
	touch $@
