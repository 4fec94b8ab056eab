"""Write programs that Drover runs as deployments of replicas.

    import drover

    @drover.deployment(num_replicas=2, user_config={"threshold": 0.5})
    class Model:
        def reconfigure(self, user_config):
            self.threshold = user_config["threshold"]

        def classify(self, text):
            return {"positive": score(text) > self.threshold}

`drover run app.py` deploys it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

#: The oldest protobuf that the generated code works with. gRPC's generated code checks gRPC's
#: version itself.
_PROTOBUF_LEAST = (6, 31, 1)


def _check_packages() -> None:
    """Raises an `ImportError` if a package that the SDK needs is missing or too old."""
    protobuf = importlib.import_module("google.protobuf")
    if importlib.util.find_spec("grpc") is None:
        raise ModuleNotFoundError("No module named 'grpc'")
    if tuple(int(part) for part in protobuf.__version__.split(".")[:3] if part.isdigit()) < _PROTOBUF_LEAST:
        least = ".".join(map(str, _PROTOBUF_LEAST))
        folder = os.path.dirname(str(protobuf.__file__))
        raise ImportError(f"protobuf {protobuf.__version__} in {folder} is too old: put protobuf>={least} among the pip packages")


try:
    _check_packages()
except ModuleNotFoundError as error:
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    what = folder
    if not os.path.isfile(os.path.join(folder, "pyproject.toml")):  # the site-packages of a wheel
        from importlib.metadata import requires

        what = " ".join(f"'{package}'" for package in requires("drover") or ())
    # A replica's environment has the packages that its deployment names, and sees those of the
    # controller's Python.
    python = "python3" if "DROVER_REPLICA_ID" in os.environ else sys.executable
    where = ", in the environment where the controller is started" if "DROVER_REPLICA_ID" in os.environ else ""
    raise ImportError(f"{error}; what the Python SDK needs is installed by: {python} -m pip install {what}{where}") from None

from .definition import Deployment, deployment  # noqa: E402 (after the check)

if TYPE_CHECKING:
    from ._gen.clients import AsyncClient, Client
    from .batching import batch
    from .client import DeploymentClient, get
    from .definition import Application
    from .deployment_options import DeploymentOptions
    from .errors import Callee, FieldViolation, StatusError
    from .handles import Handle, handle
    from .json_value import Json
    from .media import Media
    from .models import multiplexed
    from .operations import delete, reconfigure, rollback, scale, status
    from .request_context import RequestContext, context
    from .responses import Response, ResponseStream
    from .run_file import run

__all__ = [
    "Application",
    "AsyncClient",
    "Callee",
    "Client",
    "Deployment",
    "DeploymentClient",
    "DeploymentOptions",
    "FieldViolation",
    "Handle",
    "Json",
    "Media",
    "RequestContext",
    "Response",
    "ResponseStream",
    "StatusError",
    "batch",
    "context",
    "delete",
    "deployment",
    "get",
    "handle",
    "multiplexed",
    "reconfigure",
    "rollback",
    "run",
    "scale",
    "status",
]

#: Imported when first used, so that a replica does not pay for what it never uses.
#: Invariant: no module of the package has the name of a member of `__all__`. Its import would put
#: the module in the member's place.
_LATER = {
    "Application": ".definition",
    "Callee": ".errors",
    "AsyncClient": "._gen.clients",
    "Client": "._gen.clients",
    "DeploymentClient": ".client",
    "DeploymentOptions": ".deployment_options",
    "FieldViolation": ".errors",
    "Handle": ".handles",
    "Json": ".json_value",
    "Media": ".media",
    "RequestContext": ".request_context",
    "Response": ".responses",
    "ResponseStream": ".responses",
    "StatusError": ".errors",
    "batch": ".batching",
    "context": ".request_context",
    "delete": ".operations",
    "get": ".client",
    "handle": ".handles",
    "multiplexed": ".models",
    "reconfigure": ".operations",
    "rollback": ".operations",
    "run": ".run_file",
    "scale": ".operations",
    "status": ".operations",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        from .rays_names import RAYS_MEMBERS

        hint = f"; write {RAYS_MEMBERS[name]}" if name in RAYS_MEMBERS else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    return getattr(importlib.import_module(_LATER[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
