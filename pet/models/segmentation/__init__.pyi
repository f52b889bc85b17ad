from .decoders import FCNDecoder as FCNDecoder
from .decoders import build_decoder as build_decoder
from .head import SemsegHead as SemsegHead
from .head import build_semseg_head as build_semseg_head
from .network import SegmentationNetwork as SegmentationNetwork
from .networks import NETWORKS as NETWORKS
from .networks import build_network as build_network
from .resample import to_file as to_file

__all__ = [
    "NETWORKS",
    "FCNDecoder",
    "SegmentationNetwork",
    "SemsegHead",
    "build_decoder",
    "build_network",
    "build_semseg_head",
    "to_file",
]
