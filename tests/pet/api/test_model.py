"""Trained models of several tasks in a program."""

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import pet
from pet.api.runs import Source, load_run_config, settings_of
from pet.task import find_task
from petlib.config import load_cfg
from petlib.errors import CheckpointError, ConfigError, DataError
from petlib.launch.start.task_folder import find_task_folder

ROOT = Path(__file__).parents[3]
CLASSES = ["DATA.CLASSES=[circle,square,triangle,figure]"]
POINTS = ["TEST.SCORE_THRESHOLD=0.0"]
DETECTOR = ("vision/shapes/fcos_R-18-FPN.yaml", ["TEST.RESIZE.SCALES=[64]", *CLASSES])


def write_run(folder: Path, config: str, settings: list[str]) -> Path:
    """Write what a training leaves, with random weights."""
    path = ROOT / "cfgs" / config
    found = find_task_folder(path, "pet")
    cfg = load_cfg(found.config, path, [*settings, f"MISC.CKPT={folder}"], type_folder=found.type_folder)
    torch.manual_seed(0)
    model = find_task(path).build_model(cfg)
    folder.mkdir(parents=True)
    torch.save({"model": model.state_dict()}, folder / "model_latest.pth")
    (folder / "config.yaml").write_text(cfg.dump(), encoding="utf-8")
    return folder


def random_image(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> pet.Model:
    return pet.load(write_run(tmp_path_factory.mktemp("run") / "fcos", *DETECTOR), device="cpu", TEST__SCORE_THRESHOLD=0.0)


def test_arrays_files_and_pictures_of_pil_give_the_same(detector: pet.Model, tmp_path: Path) -> None:
    image = random_image()
    cv2.imwrite(str(tmp_path / "a.png"), image[:, :, ::-1])
    wanted = detector.predict(image)
    assert wanted.boxes is not None and len(wanted.boxes) > 0
    for given in (str(tmp_path / "a.png"), tmp_path / "a.png", Image.fromarray(image)):
        found = detector.predict(given)
        assert (found.image == image).all()
        assert found.boxes is not None and found.boxes.tolist() == wanted.boxes.tolist()
    assert detector.predict(tmp_path / "a.png").source == str(tmp_path / "a.png")
    assert set(wanted.classes) <= {"circle", "square", "triangle", "figure"}


def test_several_images_come_back_in_their_order(detector: pet.Model) -> None:
    images = [random_image(48, 64, 1), random_image(64, 40, 2), random_image(48, 64, 3)]
    for image, found in zip(images, detector.predict(images), strict=True):
        alone = detector.predict(image)
        assert found.boxes is not None and alone.boxes is not None
        assert np.allclose(found.boxes[:5], alone.boxes[:5], atol=1e-2)
    assert detector.predict([]) == []


def test_a_grey_image_is_one_of_three_equal_channels(detector: pet.Model) -> None:
    grey = random_image()[:, :, 0]
    first, second = detector.predict(grey), detector.predict(np.stack([grey] * 3, axis=2))
    assert first.scores is not None and second.scores is not None and first.scores.tolist() == second.scores.tolist()


def test_threads_get_what_they_asked_for(detector: pet.Model) -> None:
    images = [random_image(48, 64, seed) for seed in range(6)]
    wanted = [detector.predict(image).scores for image in images]
    found: dict[int, Any] = {}

    def ask(place: int) -> None:
        found[place] = detector.predict(images[place]).scores

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(scores is not None and (found[place] == scores).all() for place, scores in enumerate(wanted))


def test_frames_of_a_video_are_a_list_or_come_one_by_one(detector: pet.Model, tmp_path: Path) -> None:
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
    for seed in range(10):
        video.write(random_image(48, 64, seed))
    video.release()
    frames = detector.predict(tmp_path / "a.avi")
    assert isinstance(frames, list) and len(frames) == 10
    one_by_one = list(detector.predict_video(tmp_path / "a.avi"))
    assert [frame.source for frame in one_by_one] == [f"{tmp_path / 'a.avi'}, frame {number}" for number in range(10)]
    assert all((first.scores == second.scores).all() for first, second in zip(frames, one_by_one, strict=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 3, 4, 5), np.uint8), r"Model.predict: an array of uint8 \(2, 3, 4, 5\) given"),
        (np.zeros((0, 4, 3), np.uint8), "Model.predict: an array of"),
        (3, "for several images give a list"),
        ("missing.png", "missing.png: the image cannot be read"),
    ],
)
def test_what_is_no_image_is_refused(detector: pet.Model, given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        detector.predict(given)


def test_a_pair_is_for_models_of_pairs(detector: pet.Model) -> None:
    with pytest.raises(DataError, match="2 images given, the model takes 1 at once"):
        detector.predict(random_image(), random_image())


def test_weights_are_found_with_the_record_of_their_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *DETECTOR)
    moved = run.rename(tmp_path / "moved")
    image = random_image()
    by_folder, by_file = pet.load(moved, device="cpu"), pet.load(moved / "model_latest.pth", device="cpu")
    first, second = by_folder.predict(image).scores, by_file.predict(image).scores
    assert first is not None and second is not None and first.tolist() == second.tolist()
    with pytest.raises(CheckpointError, match="nowhere: there is no such folder or file"):
        pet.load(tmp_path / "nowhere")
    (tmp_path / "alone.pth").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"alone.pth: there is no config.yaml next to it"):
        pet.load(tmp_path / "alone.pth")
    (moved / "model_latest.pth").rename(tmp_path / "alone.pth")
    for config in (moved, moved / "config.yaml"):
        third = pet.load(tmp_path / "alone.pth", config=config, device="cpu").predict(image).scores
        assert third is not None and third.tolist() == first.tolist()
    (tmp_path / "alone.pth").rename(moved / "model_latest.pth")
    with pytest.raises(ConfigError, match=r"settings: TEST.SCORE_TRESHOLD: unknown key; did you mean TEST.SCORE_THRESHOLD"):
        pet.load(moved, TEST__SCORE_TRESHOLD=0.1)


def test_settings_are_written_with_underscores(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *DETECTOR)
    given = settings_of({"TEST__SCORE_THRESHOLD": 0.25, "DATA__CLASSES": ["a: b", "c", "d", "e"], "TEST__DATASETS": []}, pet.load)
    _, cfg = load_run_config(Source(run), given)
    assert (cfg.TEST.SCORE_THRESHOLD, cfg.DATA.CLASSES, cfg.TEST.DATASETS) == (0.25, ["a: b", "c", "d", "e"], [])
    assert cfg.MISC.CKPT == str(run)


def test_a_classifier_gives_probabilities(tmp_path: Path) -> None:
    model = pet.load(write_run(tmp_path / "run", "vision/digits/resnet20_digits.yaml", []), device="cpu")
    found = model.predict(random_image(8, 8))
    assert found.probabilities is not None and found.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert found.labels is not None and found.labels.tolist() == [found.probabilities.argmax()]


def test_a_segmenter_gives_a_label_map_of_the_size_of_the_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = pet.load(write_run(tmp_path / "run", "vision/shapes/semseg_R-18.yaml", ["TEST.RESIZE.SCALES=[64]"]), device="cpu")
    found = model.predict(random_image(50, 70))
    assert found.label_map is not None and found.label_map.shape == (50, 70)
    assert found.draw().shape[1] >= 70
    # such networks learn from files of floats too
    model.predict((random_image(50, 70) / 255).astype(np.float32))
    assert "floats from 0 to 1 given, and the model divides them by 255, as in its training" in caplog.text


def test_change_between_two_dates_takes_pairs(tmp_path: Path) -> None:
    model = pet.load(write_run(tmp_path / "run", "projects/changedet/siamese_R-18_cpu.yaml", []), device="cpu")
    before, after = random_image(64, 64, 1), random_image(64, 64, 2)
    found = model.predict(before, after)
    assert found.label_map is not None and found.label_map.shape == (64, 64)
    several = model.predict([before, before], [after, before])
    assert several[0].label_map is not None and (several[0].label_map == found.label_map).all()
    for name, image in (("a.png", before), ("b.png", after)):
        cv2.imwrite(str(tmp_path / name), image[:, :, ::-1])
    from_files = model.predict(tmp_path / "a.png", tmp_path / "b.png")
    assert from_files.label_map is not None and (from_files.label_map == found.label_map).all()
    with pytest.raises(DataError, match="1 image given, the model takes 2 at once; see image2"):
        model.predict(before)
    with pytest.raises(DataError, match="images of different sizes"):
        model.predict(before, random_image(32, 64))
    with pytest.raises(DataError, match="2 images and 1 of the later date given"):
        model.predict([before, before], [after])


def test_a_face_becomes_an_embedding(tmp_path: Path) -> None:
    model = pet.load(write_run(tmp_path / "run", "tasks/face/facets_iresnet18.yaml", []), device="cpu")
    first, second = model.predict([random_image(64, 64, 1), random_image(64, 64, 2)])
    assert first.embedding is not None and second.embedding is not None
    assert first.embedding.shape == second.embedding.shape and (first.embedding != second.embedding).any()


def test_a_model_of_actions_looks_at_a_video_as_a_whole(tmp_path: Path) -> None:
    model = pet.load(write_run(tmp_path / "run", "tasks/action/motions/tsm_test_resnet.yaml", []), device="cpu")
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
    for seed in range(12):
        video.write(random_image(48, 64, seed))
    video.release()
    found = model.predict(tmp_path / "a.avi")
    assert found.probabilities is not None and found.probabilities.ndim == 1
    assert found.image.shape == (48, 64, 3)
    with pytest.raises(DataError, match="this model looks at video files"):
        model.predict(random_image())
    with pytest.raises(ConfigError, match="looks at a video as a whole"):
        next(model.predict_video(tmp_path / "a.avi"))


def test_points_are_files(tmp_path: Path) -> None:
    model = pet.load(write_run(tmp_path / "run", "tasks/tddet/streets3d/centerpoint.yaml", POINTS), device="cpu")
    points = np.random.default_rng(0).uniform((0, -20, -2, 0), (40, 20, 1, 1), (500, 4)).astype(np.float32)
    points.tofile(tmp_path / "a.bin")
    found = model.predict(tmp_path / "a.bin")
    assert found.boxes3d is not None and found.scores is not None and found.labels is not None
    assert found.boxes3d.shape == (len(found.scores), 7) and len(found.labels) == len(found.scores) > 0
    assert len(found.to_dict()["objects"]) == len(found.scores)
    assert found.draw().ndim == 3
    assert len(found.above(2.0).classes) == 0
    with pytest.raises(DataError, match="this model looks at files of points"):
        model.predict(random_image())


def test_boxes_in_space_need_the_camera_of_the_image(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "tasks/tddet/streets3d/smoke.yaml", [])
    (tmp_path / "camera.txt").write_text("P2: 100 0 32 0 0 100 24 0 0 0 1 0\n")
    with pytest.raises(DataError, match="its camera is not known"):
        pet.load(folder, device="cpu").predict(random_image())
    model = pet.load(folder, device="cpu", TEST__CALIBRATION=str(tmp_path / "camera.txt"), TEST__SCORE_THRESHOLD=0.0)
    found = model.predict(random_image())
    assert found.boxes3d is not None and found.boxes3d.shape[1] == 7
    assert found.draw().shape[2] == 3
