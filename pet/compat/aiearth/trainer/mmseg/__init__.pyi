from .config import MMSegConfig as MMSegConfig
from .trainers import ChangeDetTrainer as ChangeDetTrainer
from .trainers import LandcoverTrainer as LandcoverTrainer
from .trainers import MMSegTrainer as MMSegTrainer
from .trainers import TargetExtractionTrainer as TargetExtractionTrainer
