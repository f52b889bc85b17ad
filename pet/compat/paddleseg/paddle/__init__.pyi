from . import optimizer as optimizer

__all__ = ["optimizer"]
