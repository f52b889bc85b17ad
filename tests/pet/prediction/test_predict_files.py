"""Folders, files and pairs become label images, pictures and polygons."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
import torch
from rasterio import Affine
from torch import Tensor, nn

from pet.data.files.label_images import read_label_image
from pet.exporting import OnnxModel, export_onnx
from pet.exporting.description import ModelDescription
from pet.exporting.rewriting import InputNormalization
from pet.prediction import Inputs, LabelledWindows, WindowSettings, find_inputs, predict_files
from pet.prediction.inputs import FileInput
from pet.prediction.output import PredictionSummary
from pet.prediction.predictors.pixels import NetworkPixels, OnnxPixels, PixelPredictor
from pet.prediction.videos import Video
from pet.visual import DrawSettings
from pet.visual.palette import class_colour
from petlib.errors import CheckpointError, ConfigError, DataError, OutputError

DESCRIPTION = ModelDescription(classes=("background", "house"), mean=(0.5,), std=(0.5,))
WINDOWS = WindowSettings(size=32, batch_size=2)
DRAWING = DrawSettings()


class Bright(nn.Module):
    """Finds class 1 where the first channel is bright, of pairs where it became so."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.channels = channels
        self.gain = nn.Parameter(torch.tensor(8.0))

    def forward(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        grown = images[:, :1] if images2 is None else images2[:, :1] - images[:, :1] - 0.5
        logits = grown * self.gain
        return [logits if self.channels == 1 else torch.cat([-logits, logits], dim=1)]


def predictor_of(
    network: nn.Module, *, num_images: int = 1, num_channels: int = 3, description: ModelDescription = DESCRIPTION
) -> NetworkPixels:
    return NetworkPixels(
        network=network, description=description, num_images=num_images, num_channels=num_channels, device=torch.device("cpu")
    )


def predict(
    predictor: PixelPredictor,
    inputs: Inputs,
    folder: Path,
    *,
    windows: WindowSettings = WINDOWS,
    overlays: bool = True,
    polygons: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> PredictionSummary:
    """Predict with the names of the network's own description."""
    labelled = LabelledWindows(predictor, windows, predictor.description.target_names())
    return predict_files(labelled, inputs, folder, drawing=DRAWING, overlays=overlays, polygons=polygons, progress=progress)


def squares(height: int, width: int, *places: tuple[int, int, int], channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return a dark image with bright squares (top, left, edge), and their labels."""
    labels = np.zeros((height, width), np.uint8)
    for top, left, edge in places:
        labels[top : top + edge, left : left + edge] = 1
    return np.repeat((40 + 180 * labels)[..., None], channels, axis=2), labels


def write_geotiff(path: Path, image: np.ndarray, *, nodata: float | None = None) -> None:
    profile = {"driver": "GTiff", "height": image.shape[0], "width": image.shape[1], "count": image.shape[2], "dtype": image.dtype.name}
    place = {"crs": "EPSG:32650", "transform": Affine(2.0, 0, 500000, 0, -2.0, 4000000), "nodata": nodata}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(image.transpose(2, 0, 1))


def test_a_folder(tmp_path: Path) -> None:
    big, small = squares(100, 70, (10, 10, 20), (60, 30, 35)), squares(9, 12, (2, 3, 4))
    (tmp_path / "in" / "sub").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in" / "big.png"), big[0])
    cv2.imwrite(str(tmp_path / "in" / "sub" / "small.png"), small[0])
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    (tmp_path / "in" / "._big.png").write_bytes(b"what a Mac leaves behind")
    (tmp_path / "in" / "notes.txt").write_text("no image either")
    shares: list[float] = []
    summary = predict(
        predictor_of(Bright()),
        find_inputs(str(tmp_path / "in")),
        tmp_path / "out",
        polygons=True,
        progress=shares.append,
    )
    names = ["big.png", "big_overlay.png", "big.geojson", "sub/small.png", "sub/small_overlay.png", "sub/small.geojson"]
    assert [str(path.relative_to(tmp_path / "out")) for path in summary.written] == names
    assert sorted(summary.written) == sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert summary.images == 2
    assert len(summary.unreadable) == 1
    assert "broken.png" in summary.unreadable[0]
    assert sum(shares) == pytest.approx(3)
    for name, (_, labels) in (("big.png", big), ("sub/small.png", small)):
        assert np.array_equal(read_label_image(tmp_path / "out" / name), labels)
    features = json.loads((tmp_path / "out" / "big.geojson").read_text())["features"]
    assert sorted(feature["properties"]["area"] for feature in features) == [400, 1225]
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / "out" / "big_overlay.png")), cv2.COLOR_BGR2RGB)
    factor = picture.shape[1] // 70
    assert picture.shape[0] > 100 * factor, "a legend lies below"
    expected = np.array([220, 220, 220]) / 2 + np.array(class_colour(1)) / 2
    np.testing.assert_allclose(picture[20 * factor, 20 * factor], expected, atol=1)
    np.testing.assert_allclose(picture[5 * factor, 5 * factor], 40, atol=1)


@pytest.mark.parametrize("exported", [False, True], ids=["torch", "onnx"])
def test_16_bits_give_the_labels_of_8(exported: bool, tmp_path: Path) -> None:
    image, labels = squares(40, 50, (10, 10, 20))
    cv2.imwrite(str(tmp_path / "a.png"), image.astype(np.uint16) * 257)
    predictor: PixelPredictor = predictor_of(Bright())
    if exported:
        path = tmp_path / "net.onnx"
        export_onnx(
            InputNormalization(Bright(), mean=DESCRIPTION.mean, std=DESCRIPTION.std),
            {"images": torch.rand(1, 3, 32, 32) * 255},
            path,
            output_names=["logits"],
            dynamic=True,
            metadata=replace(DESCRIPTION, normalizes=True).to_metadata(),
        )
        predictor = OnnxPixels(OnnxModel(path))
    predict(predictor, find_inputs(str(tmp_path / "a.png")), tmp_path / "out")
    assert np.array_equal(read_label_image(tmp_path / "out" / "a.png"), labels)


def test_a_geotiff_keeps_its_place(tmp_path: Path) -> None:
    image, labels = squares(70, 300, (5, 6, 20), (40, 250, 25), channels=4)
    image = image.astype(np.uint16) * 30
    image[60:, :10] = 9
    image[60:, :10, 3] = 10
    image[:3, 290:] = 9
    labels[:3, 290:] = 255
    write_geotiff(tmp_path / "a.tif", image, nodata=9)
    description = ModelDescription(classes=("other", "house"), mean=(0.5,), std=(0.5,), maximum=7650.0)
    predictor = predictor_of(Bright(), num_channels=4, description=description)
    summary = predict(predictor, find_inputs(str(tmp_path / "*.tif")), tmp_path / "out", polygons=True)
    assert [path.name for path in summary.written] == ["a.tif", "a_overlay.png", "a.geojson"]
    assert len(list((tmp_path / "out").iterdir())) == 3, "no side files"
    with rasterio.open(tmp_path / "out" / "a.tif") as file, rasterio.open(tmp_path / "a.tif") as original:
        assert np.array_equal(file.read(1), labels)
        assert (file.crs, file.transform, file.bounds) == (original.crs, original.transform, original.bounds)
        assert (file.nodata, file.dtypes, file.compression.name) == (255, ("uint8",), "deflate")
        assert file.block_shapes == [(256, 256)]
        assert file.colormap(1)[1] == (*class_colour(1), 255)
    content = json.loads((tmp_path / "out" / "a.geojson").read_text())
    assert content["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32650"
    assert sorted(feature["properties"]["area"] for feature in content["features"]) == [4 * 400, 4 * 625]
    assert cv2.imread(str(tmp_path / "out" / "a_overlay.png")) is not None


def test_pairs(tmp_path: Path) -> None:
    before, after = squares(40, 40, (5, 5, 10)), squares(40, 40, (5, 5, 10), (20, 20, 12))
    for folder, image in (("A", before[0]), ("B", after[0])):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "1.png"), image)
    inputs = find_inputs(str(tmp_path / "A"), str(tmp_path / "B"))
    assert inputs == Inputs([FileInput((tmp_path / "A" / "1.png", tmp_path / "B" / "1.png"), "1")], [])
    description = ModelDescription(classes=("unchanged", "changed"), mean=(0.5,), std=(0.5,))
    predictor = predictor_of(Bright(channels=1), num_images=2, description=description)
    predict(predictor, inputs, tmp_path / "out", overlays=False)
    assert np.array_equal(read_label_image(tmp_path / "out" / "1.png"), after[1] - before[1])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.png"]
    with pytest.raises(ConfigError, match=r"1\.png: the network takes 2 images at once, 1 given; see find_inputs\.images2"):
        predict(predictor, find_inputs(str(tmp_path / "A")), tmp_path / "out")
    cv2.imwrite(str(tmp_path / "B" / "1.png"), after[0][:30])
    summary = predict(predictor, inputs, tmp_path / "out2")
    (message,) = summary.unreadable
    assert message.endswith("A/1.png has 40x40; the images of a pair have one size")
    assert "B/1.png: 40x30 pixels (width x height), but " in message
    cv2.imwrite(str(tmp_path / "B" / "2.png"), after[0])
    with pytest.raises(DataError, match=r"1 of 3 images have no partner of the same name: .*B/2\.png"):
        find_inputs(str(tmp_path / "A"), str(tmp_path / "B"))


@pytest.mark.parametrize(("dynamic", "normalizes"), [(False, True), (True, False)])
def test_an_onnx_file_gives_what_the_network_gives(tmp_path: Path, dynamic: bool, normalizes: bool) -> None:
    network = Bright(channels=1)
    description = ModelDescription(
        classes=("background", "house"), mean=(0.5, 0.4, 0.3), std=(0.5, 0.4, 0.3), threshold=0.7, normalizes=normalizes
    )
    exported = InputNormalization(network, mean=description.mean, std=description.std) if normalizes else network
    example = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8) if normalizes else torch.rand(2, 3, 32, 48)
    report = export_onnx(
        exported,
        {"images": example},
        tmp_path / "net.onnx",
        output_names=["logits"],
        dynamic=dynamic,
        metadata=description.to_metadata(),
    )
    predictor = OnnxPixels(OnnxModel(report.path))
    assert predictor.description == description
    assert (predictor.fixed_size, predictor.fixed_batch) == ((None, None) if dynamic else ((32, 48), 2))
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., ::-1])
    inputs = find_inputs(str(tmp_path / "a.png"))
    for name, one in (("onnx", predictor), ("torch", predictor_of(network, description=description))):
        predict(one, inputs, tmp_path / name, overlays=False)
    found = [read_label_image(tmp_path / name / "a.png") for name in ("onnx", "torch")]
    assert np.array_equal(*found)
    assert 0 < found[0].mean() < 1


def test_onnx_files_without_a_description(tmp_path: Path) -> None:
    report = export_onnx(nn.Conv2d(3, 2, 1), {"x": torch.rand(1, 3, 8, 8)}, tmp_path / "net.onnx", output_names=["y"], dynamic=False)
    with pytest.raises(CheckpointError, match=r"net\.onnx: the ONNX file does not say its classes, mean, .*; export it with Pet"):
        OnnxPixels(OnnxModel(report.path))
    with pytest.raises(CheckpointError, match=r"net\.onnx: mean: '\[' in the ONNX file is no JSON"):
        ModelDescription.from_metadata({**DESCRIPTION.to_metadata(), "mean": "["}, name="net.onnx")


class Failing(Bright):
    def forward(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        raise RuntimeError("out of memory")


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), squares(40, 40)[0])
    with pytest.raises(RuntimeError, match="out of memory"):
        predict(predictor_of(Failing()), find_inputs(str(tmp_path / "a.png")), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    write_geotiff(tmp_path / "b.tif", np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    data = (tmp_path / "b.tif").read_bytes()
    (tmp_path / "b.tif").write_bytes(data[: len(data) // 2])
    inputs = find_inputs(str(tmp_path / "b.tif"))
    summary = predict(predictor_of(Bright()), inputs, tmp_path / "out")
    assert "b.tif" in summary.unreadable[0]
    assert not list((tmp_path / "out").iterdir())


def test_mistakes_of_a_user(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), squares(40, 40)[0])
    inputs = find_inputs(str(tmp_path))
    with pytest.raises(OutputError, match=r"a\.png is one of the inputs and would be replaced; choose another folder"):
        predict(predictor_of(Bright()), inputs, tmp_path)
    with pytest.raises(OutputError, match="the results cannot be written: .*; choose another folder"):
        predict(predictor_of(Bright()), inputs, tmp_path / "a.png" / "out")
    with pytest.raises(DataError, match=r"find_inputs\.images: .*gone: there is no such file or folder; a folder, a file or a pattern of"):
        find_inputs(str(tmp_path / "gone"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"find_inputs\.images2: .*empty: there are no images .* in it$"):
        find_inputs(str(tmp_path), str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"windows of 0 pixels, overlap 1, 1 at once given; at least 1 pixel"):
        WindowSettings(size=0, overlap=1.0)


def test_what_the_background_is() -> None:
    named = ModelDescription(classes=("water", "Background", "road"), mean=(0.0,), std=(1.0,))
    assert [named.is_background(label) for label in range(4)] == [False, True, False, False]
    assert [ModelDescription(classes=(), mean=(0.0,), std=(1.0,)).is_background(label) for label in range(2)] == [True, False]
    assert named.name_of(7) == "7"
    names = ModelDescription(classes=("same", "changed"), mean=(0.0,), std=(1.0,)).target_names()
    assert names.pixel_class_colour(0) is None
    assert names.pixel_class_colour(1) == class_colour(1)


def test_large_images_become_smaller_pictures(tmp_path: Path) -> None:
    image, labels = squares(30, 5000, (10, 0, 20))
    cv2.imwrite(str(tmp_path / "a.png"), image)
    settings = WindowSettings(size=256)
    predict(predictor_of(Bright()), find_inputs(str(tmp_path / "a.png")), tmp_path / "out", windows=settings)
    assert cv2.imread(str(tmp_path / "out" / "a_overlay.png")).shape[1] == 4096
    assert np.array_equal(read_label_image(tmp_path / "out" / "a.png"), labels)


def places(inputs: Inputs) -> list[str]:
    return [entry.place for entry in inputs.images]


def test_names_of_results(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif", "sub/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert places(find_inputs(str(tmp_path))) == ["a.png", "a.tif", "sub/b"]
    assert places(find_inputs(str(tmp_path / "**" / "*.jpg"))) == ["b"]


def write_video(path: Path, frames: Sequence[np.ndarray]) -> None:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (frames[0].shape[1], frames[0].shape[0]))
    for frame in frames:
        video.write(frame)
    video.release()


def test_a_video_is_labelled_frame_by_frame_through_windows(tmp_path: Path) -> None:
    frames = [squares(64, 80, (8, 8 * number, 16)) for number in range(6)]
    write_video(tmp_path / "film.avi", [image for image, _ in frames])
    shares: list[float] = []
    summary = predict(predictor_of(Bright()), find_inputs(str(tmp_path / "film.avi")), tmp_path / "out", progress=shares.append)
    assert (summary.images, summary.frames, summary.objects, shares) == (0, 6, None, [1.0] * 6)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film.json", "film.mp4"]
    records = json.loads((tmp_path / "out" / "film.json").read_text())["frames"]
    for record, (_, labels) in zip(records, frames, strict=True):
        found = {entry["class"]: entry["count"] for entry in record["pixels"]}
        # the codec blurs edges
        assert found["house"] == pytest.approx(labels.sum(), rel=0.1)
        assert sum(found.values()) == labels.size
    drawn = list(Video(tmp_path / "out" / "film.mp4").chunks(6))[0]
    assert np.abs(drawn[0][100, 50].astype(int) - drawn[5][100, 50]).max() > 50, "the square has moved on"


def test_a_network_of_other_channels_takes_no_video(tmp_path: Path) -> None:
    write_video(tmp_path / "film.avi", [squares(64, 64)[0]])
    summary = predict(predictor_of(Bright(), num_channels=4), find_inputs(str(tmp_path / "film.avi")), tmp_path / "out")
    assert "film.avi: 3 channels given, the network takes 4" in summary.unreadable[0]
    assert not list((tmp_path / "out").iterdir())
    pair = predictor_of(Bright(channels=1), num_images=2)
    with pytest.raises(ConfigError, match=r"film\.avi: the network takes 2 images at once, 1 given"):
        predict(pair, find_inputs(str(tmp_path / "film.avi")), tmp_path / "out")
