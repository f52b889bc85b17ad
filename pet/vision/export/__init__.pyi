from .run import export as export
from .run import run_export as run_export

__all__ = ["export", "run_export"]
