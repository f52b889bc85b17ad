from . import losses as losses
from . import segformer as segformer
from .networks import BiSeNetV2 as BiSeNetV2
from .networks import UNet as UNet
from .ocrnet import HRNet_W18 as HRNet_W18
from .ocrnet import HRNet_W48 as HRNet_W48
from .ocrnet import OCRNet as OCRNet
from .segformer import SegFormer_B0 as SegFormer_B0
from .segformer import SegFormer_B1 as SegFormer_B1
from .segformer import SegFormer_B2 as SegFormer_B2
from .segformer import SegFormer_B3 as SegFormer_B3
from .segformer import SegFormer_B4 as SegFormer_B4
from .segformer import SegFormer_B5 as SegFormer_B5

__all__ = [
    "BiSeNetV2",
    "HRNet_W18",
    "HRNet_W48",
    "OCRNet",
    "SegFormer_B0",
    "SegFormer_B1",
    "SegFormer_B2",
    "SegFormer_B3",
    "SegFormer_B4",
    "SegFormer_B5",
    "UNet",
    "losses",
    "segformer",
]
