from .model import PretrainedModel as PretrainedModel

__all__ = ["PretrainedModel"]
