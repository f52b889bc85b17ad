from .analysis import analyse as analyse
from .pretrained import find_test_weights as find_test_weights
from .pretrained import load_pretrained as load_pretrained
from .pretrained import load_test_weights as load_test_weights
from .pretrained import origin_of_test_weights as origin_of_test_weights
