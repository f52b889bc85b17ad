from .export import ExportReport as ExportReport
from .export import export_onnx as export_onnx
from .normalization import InputNormalization as InputNormalization
from .runtime import OnnxModel as OnnxModel

__all__ = ["ExportReport", "InputNormalization", "OnnxModel", "export_onnx"]
