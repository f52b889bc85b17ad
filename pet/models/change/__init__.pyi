from .semantic import SemanticChangeNetwork as SemanticChangeNetwork
from .siamese import SiameseNetwork as SiameseNetwork
from .siamese_unet import SiameseUnet as SiameseUnet

__all__ = ["SemanticChangeNetwork", "SiameseNetwork", "SiameseUnet"]
