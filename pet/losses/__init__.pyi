from . import pixels as pixels
