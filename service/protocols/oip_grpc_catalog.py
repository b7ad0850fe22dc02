"""What the calls of oip.proto answer that ask for no prediction: of the models there are, and of loading them."""

from service.engine.registry import Registry
from service.errors import Unavailable, UnknownModel
from service.metrics import Metrics
from service.protocols.oip_catalog import configuration, gather_statistics, metadata, served
from service.protocols.oip_grpc_handlers import Fields
from service.protocols.oip_messages import Message
from service.protocols.oip_repository import Control, index


class GrpcCatalog:
    def __init__(self, registry: Registry, control: Control, metrics: Metrics, *, max_inputs: int) -> None:
        self._registry = registry
        self._control = control
        self._metrics = metrics
        self._max_inputs = max_inputs

    async def model_ready(self, request: Message) -> Fields:
        """Triton answers false where HTTP has 404 and 503."""
        try:
            self._registry.find(request.name, request.version or None)
        except (UnknownModel, Unavailable):
            return {"ready": False}
        return {"ready": True}

    async def model_metadata(self, request: Message) -> Fields:
        return metadata(self._registry, request.name, request.version or None)

    async def model_config(self, request: Message) -> Fields:
        model = self._registry.find(request.name, request.version or None)
        return {"config": configuration(model, max_rows=self._max_inputs)}

    async def model_statistics(self, request: Message) -> Fields:
        wanted = served(self._registry, request.name or None, request.version or None)
        return await gather_statistics(self._metrics, wanted)

    async def repository_index(self, request: Message) -> Fields:
        return {"models": index(self._registry, only_ready=request.ready)}

    async def repository_load(self, request: Message) -> Fields:
        await self._control.load(request.model_name, request.parameters)
        return {}

    async def repository_unload(self, request: Message) -> Fields:
        await self._control.repository.unload(request.model_name)
        return {}
