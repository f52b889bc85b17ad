"""What is exported of a detector of one camera: how the camera sees the boxes; where they are follows from its calibration outside."""

from torch import Tensor, nn
from torch.nn import functional

from pet.data.loading.batch_transforms import PAD_DIVISOR
from pet.exporting.network import TaskNetwork
from pet.exporting.script import Script
from pet.tasks.tddet.camera import CameraDetector
from pet.tasks.tddet.export import SpatialDifference
from pet.typed import TddetConfig

OUTPUTS = ["views3d", "scores3d", "labels3d"]
SMALLEST = 64
"""Shortest edge of an image whose coarsest map has two pixels."""


class CameraOutputs(nn.Module):
    """The network of an exported file.

    Args:
        detector: the trained one.
    """

    def __init__(self, detector: CameraDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return views (K, 7), scores and labels (K,) of one normalised image (1, 3, H, W), the best first.

        A view is u, v, depth, length, width, height, and the direction relative to the line of sight; see
        :mod:`pet.models.detection3d.camera_geometry`.
        """
        # as batches of an evaluation are padded; ONNX rounds the quotient of a negative number towards zero
        rows, columns = ((length + PAD_DIVISOR - 1) // PAD_DIVISOR * PAD_DIVISOR for length in images.shape[2:])
        # padding of no pixels would be traced as none for images of all sizes
        padded = functional.pad(images, (0, PAD_DIVISOR, 0, PAD_DIVISOR))[:, :, :rows, :columns]
        views, scores, labels = self.detector.head.detect(self.detector.extract(padded), [(images.shape[2], images.shape[3])])
        return views[0], scores[0], labels[0]


def build_camera_export(cfg: TddetConfig, model: CameraDetector) -> TaskNetwork:
    """Return the network that an exported file holds, see :class:`CameraOutputs`."""
    difference = SpatialDifference(cfg.EXPORT.COMPARE_SCORE)
    return TaskNetwork(
        network=CameraOutputs(model.eval()),
        output_names=OUTPUTS,
        half=["detector.backbone", "detector.neck"],
        measure=difference,
        free_batch=False,
        smallest=SMALLEST,
        describe_comparison=difference.pairs.describe,
        script=choose_camera_script(cfg),
    )


def choose_camera_script(cfg: TddetConfig) -> Script:
    """Return the program, which places boxes before the camera of an image and suppresses them."""
    selection = {"least": cfg.TEST.SCORE_THRESHOLD, "overlap": cfg.TEST.NMS, "most": cfg.TEST.MAX_BOXES}
    return Script("camera", {"focal": cfg.MODEL.CAMERA.FOCAL, **selection}, "IMAGE [IMAGE ...] [--calibration FILE]")
