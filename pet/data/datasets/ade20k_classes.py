"""The 150 classes of the scene parsing benchmark on ADE20K."""

ADE20K_CLASSES = (
    *("wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass"),  # from 1
    *("cabinet", "sidewalk", "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair"),  # from 11
    *("car", "water", "painting", "sofa", "shelf", "house", "sea", "mirror", "rug", "field"),  # from 21
    *("armchair", "seat", "fence", "desk", "rock", "wardrobe", "lamp", "bathtub", "railing", "cushion"),  # from 31
    *("base", "box", "column", "signboard", "chest of drawers", "counter", "sand", "sink", "skyscraper", "fireplace"),  # from 41
    *("refrigerator", "grandstand", "path", "stairs", "runway", "case", "pool table", "pillow", "screen door", "stairway"),  # from 51
    *("river", "bridge", "bookcase", "blind", "coffee table", "toilet", "flower", "book", "hill", "bench"),  # from 61
    *("countertop", "stove", "palm", "kitchen island", "computer", "swivel chair", "boat", "bar", "arcade machine", "hovel"),  # from 71
    *("bus", "towel", "light", "truck", "tower", "chandelier", "awning", "streetlight", "booth", "television"),  # from 81
    *("airplane", "dirt track", "apparel", "pole", "land", "bannister", "escalator", "ottoman", "bottle", "buffet"),  # from 91
    *("poster", "stage", "van", "ship", "fountain", "conveyer belt", "canopy", "washer", "plaything", "swimming pool"),  # from 101
    *("stool", "barrel", "basket", "waterfall", "tent", "bag", "minibike", "cradle", "oven", "ball"),  # from 111
    *("food", "step", "tank", "trade name", "microwave", "pot", "animal", "bicycle", "lake", "dishwasher"),  # from 121
    *("screen", "blanket", "sculpture", "hood", "sconce", "vase", "traffic light", "tray", "ashcan", "fan"),  # from 131
    *("pier", "crt screen", "plate", "monitor", "bulletin board", "shower", "radiator", "glass", "clock", "flag"),  # from 141
)
"""The first name of each class, by its number in the label images, which counts from 1.

Source: https://github.com/CSAILVision/sceneparsing (objectInfo150.txt).
"""
