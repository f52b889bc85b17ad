from .collectives import all_gather_objects as all_gather_objects
from .collectives import all_reduce_mean as all_reduce_mean
from .collectives import all_reduce_sum as all_reduce_sum
from .collectives import any_rank as any_rank
from .collectives import barrier as barrier
from .collectives import broadcast_buffers as broadcast_buffers
from .collectives import broadcast_object as broadcast_object
from .collectives import broadcast_tensors as broadcast_tensors
from .collectives import gather_objects as gather_objects
from .interruption import AgreedFlag as AgreedFlag
from .interruption import Interrupted as Interrupted
from .interruption import agree_to_go_on as agree_to_go_on
from .interruption import until_asked_to_end as until_asked_to_end
from .parallel import no_sync as no_sync
from .parallel import parallelize as parallelize
from .parallel import unwrap as unwrap
from .process_group import choose_device as choose_device
from .process_group import destroy_process_group as destroy_process_group
from .process_group import init_process_group as init_process_group
from .process_group import is_main_process as is_main_process
from .process_group import local_rank as local_rank
from .process_group import local_world_size as local_world_size
from .process_group import rank as rank
from .process_group import world_size as world_size

__all__ = [
    "AgreedFlag",
    "Interrupted",
    "agree_to_go_on",
    "all_gather_objects",
    "all_reduce_mean",
    "all_reduce_sum",
    "any_rank",
    "barrier",
    "broadcast_buffers",
    "broadcast_object",
    "broadcast_tensors",
    "choose_device",
    "destroy_process_group",
    "gather_objects",
    "init_process_group",
    "is_main_process",
    "local_rank",
    "local_world_size",
    "no_sync",
    "parallelize",
    "rank",
    "until_asked_to_end",
    "unwrap",
    "world_size",
]
