from .export import ExportReport as ExportReport
from .export import export_model as export_model
from .export import export_onnx as export_onnx
from .network import TaskNetwork as TaskNetwork
from .network import classifier_network as classifier_network
from .program_file import ProgramModel as ProgramModel
from .rewriting import InputNormalization as InputNormalization
from .runtime import OnnxModel as OnnxModel
from .task import choose_weights as choose_weights
from .task import export_task as export_task
from .task import print_report as print_report

__all__ = [
    "ExportReport",
    "InputNormalization",
    "OnnxModel",
    "ProgramModel",
    "TaskNetwork",
    "choose_weights",
    "classifier_network",
    "export_model",
    "export_onnx",
    "export_task",
    "print_report",
]
