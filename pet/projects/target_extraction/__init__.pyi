from . import config as config

__all__ = ["config"]
