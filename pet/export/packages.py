"""The packages of the extra ``export``."""

import importlib
from types import ModuleType

from petlib.errors import ConfigError


def export_package(name: str) -> ModuleType:
    """Return a package that only export needs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs the package {name}, which is not installed; install it with: pip install 'pet-vision[export]'"
        ) from error
