"""How rows fall that a model did not learn from -> `reference` in its model.json, with which the service compares live
traffic (docs/drift.md).

python -m scripts.reference models/lenet5-mnist/1
python -m scripts.reference models/resnet50/1 --data photos/

scripts.export and scripts.quantize write one, too. Nothing else of the version is changed.
"""

import sys
from pathlib import Path

from scripts.evaluate import data_of, held_out, parse_args
from scripts.export import REFUSALS
from scripts.histograms import reference_of
from scripts.version import write_spec
from service.engine.proof import prove
from service.spec import ModelSpec


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments, description="Write down how a model's held-out rows fall.")
    try:
        spec = refer(args.model, args.data, args.data_dir)
    except REFUSALS as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    reference = spec.reference
    assert reference is not None
    print(f"{args.model}: {reference.n:,} rows of {reference.data}")
    return 0


def refer(model: Path, source: str | None, data_dir: Path | None) -> ModelSpec:
    """The spec, as it is written. Raises ModelRefused for a version that does not prove itself, ValueError."""
    proven = prove(model, provider="cpu")
    split = held_out(proven.spec, data_of(proven.spec, source, data_dir))
    reference = reference_of(proven.session, (model / "model.onnx").read_bytes(), proven.spec, split)
    spec = proven.spec.model_copy(update={"reference": reference})
    write_spec(model, spec)
    return spec


if __name__ == "__main__":
    raise SystemExit(main())
