from .coco_tables import category_names as category_names
from .list_file import names_in_list as names_in_list
from .voc_records import object_names as object_names
