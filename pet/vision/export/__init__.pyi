from .build import build_export_network as build_export_network
from .build import check_exportable as check_exportable
