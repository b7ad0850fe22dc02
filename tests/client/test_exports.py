"""The public surface is what __init__ says, sorted, and nothing private leaks into it."""

import inspect
import subprocess
import sys

import maxpool_client


def test_every_public_member_is_exported_in_order() -> None:
    members = {
        name for name, value in vars(maxpool_client).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert maxpool_client.__all__ == sorted(members)


def test_every_module_is_private() -> None:
    modules = [name for name, value in vars(maxpool_client).items() if inspect.ismodule(value)]
    assert all(name.startswith("_") for name in modules)


def test_the_clients_have_the_same_methods_with_the_same_parameters() -> None:
    for name, method in inspect.getmembers(maxpool_client.Client, inspect.isfunction):
        if not name.startswith("_"):
            twin = getattr(maxpool_client.AsyncClient, name)
            parameters, its = (dict(inspect.signature(each).parameters) for each in (method, twin))
            if name == "classify_many":  # AsyncClient takes async iterables, too
                its["inputs"] = its["inputs"].replace(annotation=parameters["inputs"].annotation)
            assert parameters == its


def test_importing_it_loads_neither_pillow_nor_numpy() -> None:
    code = "import maxpool_client, sys; print(*sorted({'PIL', 'numpy', 'pydantic'} & sys.modules.keys()))"
    path = str(maxpool_client.__path__[0]).removesuffix("maxpool_client")
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")
