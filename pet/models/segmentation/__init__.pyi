from .decoders import build_decoder as build_decoder
from .fcn import FCNDecoder as FCNDecoder
from .head import SemsegHead as SemsegHead
from .head import build_semseg_head as build_semseg_head
from .resample import to_file as to_file

__all__ = ["FCNDecoder", "SemsegHead", "build_decoder", "build_semseg_head", "to_file"]
