from .coco_tables import category_names as category_names
from .face_records import FaceRecords as FaceRecords
from .facets import TRAIN_IDENTITIES as TRAIN_IDENTITIES
from .list_file import names_in_list as names_in_list
from .videos import video_class_names as video_class_names
from .voc_records import object_names as object_names
from .yolo_layout import yolo_classes as yolo_classes
