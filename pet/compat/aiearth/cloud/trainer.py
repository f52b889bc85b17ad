"""Trainings on the platform, which Pet does not start."""

from pet.compat.shared.absent import refuse_absent

ABSENT = {
    "JobCloudWrap": "it packs a script for the platform and starts it there, which takes AI Earth's own package. Here job.run() trains on "
    "this machine, and torchrun --nproc-per-node N job.py on several GPUs; job.export_onnx(shape=(1024, 1024)) writes the model"
}
__getattr__ = refuse_absent(__name__, ABSENT)
