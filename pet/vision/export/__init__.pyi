from .run import check_exportable as check_exportable
from .run import export as export

__all__ = ["check_exportable", "export"]
