"""What all parts of model.json have in common: unknown keys are refused, and nothing is changed once it was read."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())
