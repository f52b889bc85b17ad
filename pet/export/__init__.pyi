from .export import ExportReport as ExportReport
from .export import export_model as export_model
from .export import export_onnx as export_onnx
from .normalization import InputNormalization as InputNormalization
from .program_file import ProgramModel as ProgramModel
from .runtime import OnnxModel as OnnxModel

__all__ = ["ExportReport", "InputNormalization", "OnnxModel", "ProgramModel", "export_model", "export_onnx"]
