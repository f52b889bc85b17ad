from .build import TRACKERS as TRACKERS
from .build import build_tracker as build_tracker
from .build import parse_tracker as parse_tracker
from .tracks import Detections as Detections
from .tracks import Tracker as Tracker
