"""Trainings of a tiny network: what is written, what repeats, what is reported."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import pet.compat.paddleseg.transforms as T
from pet.compat.paddleseg import export, paddle
from pet.compat.paddleseg.core import evaluate, predict, train
from pet.compat.paddleseg.core.settings import read_switches
from pet.compat.paddleseg.datasets import Dataset
from pet.compat.paddleseg.models import UNet
from pet.compat.paddleseg.models.losses import CrossEntropyLoss, DiceLoss, MixedLoss
from pet.compat.paddleseg.views import WHOLE_IMAGES
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.errors import ConfigError, DataError, UserError
from tests.pet.compat.paddleseg.tiles import RESIZED, Tiny, open_tiles, train_tiny, write_tiles


class Noise:
    """Draws from numpy's global generator."""

    def __call__(self, im, label=None):
        return im + np.random.normal(0, 20, im.shape), label


NOISY = [Noise(), T.RandomRotation(), T.Resize(RESIZED), T.Normalize()]


def lines(folder: Path, key: str = "total_loss") -> list[float]:
    """Return the values that the run recorded under ``key``, in order."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [value for record in records for name, value in record.items() if name.endswith(key)]


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_the_best_model_checkpoints_and_figures(tmp_path: Path) -> None:
    model = train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", use_vdl=True, iters=5, keep_checkpoint_max=1)
    folder = tmp_path / "run"
    best = weights_of(folder / "best_model" / "model.pdparams")
    assert best.keys() == model.state_dict().keys()
    assert {path.name for path in folder.glob("model_*")} >= {"model_latest.pth", "model_best.pth", "model_iter5.pth"}
    assert not (folder / "model_iter1.pth").exists()
    assert list((folder / "events").iterdir())
    checkpoint = torch.load(folder / "model_best.pth", weights_only=True)["model"]
    assert all(torch.equal(best[name], checkpoint[f"network.network.{name}"]) for name in best)


class OwnLoss(torch.nn.Module):
    """Computes with torch's own cross entropy, which takes int64 labels only."""

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        assert labels.dtype == torch.int64
        return torch.nn.functional.cross_entropy(logits, labels, ignore_index=255)


def test_a_loss_of_the_user_is_given_int64_labels_and_equals_pets(tmp_path: Path) -> None:
    root = write_tiles(tmp_path / "data")
    train_tiny(root, tmp_path / "own", iters=3, losses={"types": [OwnLoss()], "coef": [1]})
    train_tiny(root, tmp_path / "pet", iters=3, losses={"types": [CrossEntropyLoss()], "coef": [1]})
    assert lines(tmp_path / "own") == pytest.approx(lines(tmp_path / "pet"))


class CountingHook(Hook):
    """Counts what it is called for."""

    order = 51
    key = "counting"
    count = 0

    def after_step(self, state: TrainState) -> None:
        self.count += 1


def test_settings_under_pets_names_and_hooks_of_ones_own(tmp_path: Path) -> None:
    root, hook = write_tiles(tmp_path / "data"), CountingHook()
    pet = {"SOLVER.EMA.ENABLED": True, "SOLVER.ACCUMULATION": 2, "MISC.CHANNELS_LAST": True}
    train_tiny(root, tmp_path / "run", pet=pet, hooks=[hook])
    saved = weights_of(tmp_path / "run" / "model_latest.pth")
    assert hook.count == saved["iteration"] == 4
    assert saved["ema"] is not None
    with pytest.raises(ConfigError, match="train: pet: MISC.SEED is called seed here; set that"):
        train_tiny(root, tmp_path / "other", pet={"MISC.SEED": 1})


def test_the_network_is_compiled_where_the_settings_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # compiled by Inductor each network takes a minute; that the layer asks for it, and of which, is what can go wrong here
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled.append(module))  # noqa: PLW0108 -- a method has to be a function
    train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", iters=1, pet={"MISC.COMPILE": "always"})
    assert len(compiled) == 1
    assert sum(parameter.numel() for parameter in compiled[0].parameters()) > 0


def test_a_network_learns(tmp_path: Path) -> None:
    train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", iters=40)
    mious = lines(tmp_path / "run", "mIoU")
    assert mious[-1] > 0.8


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    root = write_tiles(tmp_path / "data")
    whole = train_tiny(root, tmp_path / "whole", transforms=NOISY, iters=6)

    class StopError(Exception):
        pass

    class Interrupting(Noise):
        calls = 0

        def __call__(self, im, label=None):
            Interrupting.calls += 1
            if Interrupting.calls > 14:
                raise StopError
            return super().__call__(im, label)

    with pytest.raises(StopError):
        train_tiny(root, tmp_path / "parts", transforms=[Interrupting(), *NOISY[1:]], iters=6)
    assert (tmp_path / "parts" / "model_latest.pth").exists()
    resumed = train_tiny(root, tmp_path / "parts", transforms=NOISY, iters=6, resume_model=tmp_path / "parts")
    assert same(whole.state_dict(), resumed.state_dict())
    assert lines(tmp_path / "whole") == lines(tmp_path / "parts")


def test_the_seed_decides_and_the_number_of_workers_does_not(tmp_path: Path) -> None:
    root = write_tiles(tmp_path / "data")
    first = train_tiny(root, tmp_path / "first", transforms=NOISY).state_dict()
    again = train_tiny(root, tmp_path / "again", transforms=NOISY, num_workers=2).state_dict()
    other = train_tiny(root, tmp_path / "other", transforms=NOISY, seed=11).state_dict()
    assert same(first, again)
    assert not same(first, other)


def test_a_run_without_resume_begins_anew(tmp_path: Path) -> None:
    root = write_tiles(tmp_path / "data")
    first = train_tiny(root, tmp_path / "run").state_dict()
    assert same(first, train_tiny(root, tmp_path / "run").state_dict())


def test_save_interval_0_means_at_the_end(tmp_path: Path) -> None:
    train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", save_interval=0)
    assert [path.name for path in (tmp_path / "run").glob("model_iter*.pth")] == ["model_iter4.pth"]
    assert len(lines(tmp_path / "run", "mIoU")) == 1
    assert (tmp_path / "run" / "best_model" / "model.pdparams").exists()


def test_each_output_has_its_own_loss_and_weight(tmp_path: Path) -> None:
    root = write_tiles(tmp_path / "data")
    losses = {"types": [MixedLoss([CrossEntropyLoss(), DiceLoss()], [1, 0]), CrossEntropyLoss()], "coef": [1, 0.4]}
    train_tiny(root, tmp_path / "run", outputs=2, losses=losses, rate=1e-9, iters=1)
    (main,), (auxiliary,), (total,) = (
        lines(tmp_path / "run", name) for name in ("loss_CrossEntropyLoss", "loss_CrossEntropyLoss_1", "total_loss")
    )
    assert lines(tmp_path / "run", "loss_DiceLoss") == [0.0]
    assert 0.0 < auxiliary < main
    assert total == pytest.approx(main + auxiliary, abs=1e-4)


def test_a_data_set_of_the_user_is_read(tmp_path: Path) -> None:
    tiles = open_tiles(write_tiles(tmp_path / "data"), [T.Resize(RESIZED), T.Normalize()])

    class Own:
        num_classes = 2

        def __len__(self):
            return len(tiles)

        def __getitem__(self, index):
            return tiles[index]

    by_data = {}
    for name, dataset in (("own", Own()), ("listed", tiles)):
        torch.manual_seed(0)
        model = Tiny()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        losses = {"types": [CrossEntropyLoss()], "coef": [1]}
        train(model, dataset, dataset, optimizer, tmp_path / name, iters=2, batch_size=2, save_interval=0, losses=losses)
        by_data[name] = model.state_dict()
    for name, value in by_data["own"].items():
        torch.testing.assert_close(value, by_data["listed"][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iters": 0}, r"iters: 0 given, at least 1 expected; .*\(6 images, batches of 2\): raise epochs or lower batch_size"),
        ({"batch_size": 16}, "batch_size: 16 given, but the training set has 6 images"),
        ({"batch_size": 0}, "batch_size: 0 given"),
        ({"save_interval": -1}, "train: save_interval: -1 given, at least 0 expected"),
        ({"optimizer": None}, "optimizer: nothing given"),
        ({"losses": None}, "losses: NoneType given, a dictionary with types and coef"),
        ({"losses": {"types": [CrossEntropyLoss()], "coef": [1, 0.4]}}, "1 types and 2 coef given, one coefficient for each type"),
        ({"losses": {"types": ["dice"], "coef": [1]}}, "'dice' given among the types"),
        ({"outputs": 2}, r"1 given as types, but the network has 2 outputs in training; give as many .* \[1, 0.4\]"),
        ({"resume_model": "elsewhere"}, "a run goes on in its own folder"),
    ],
)
def test_wrong_arguments_are_reported(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", **options)


def test_nothing_to_go_on_from_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no model_latest.pth to go on from"):
        train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", resume_model=tmp_path / "run")


def test_wrong_data_leave_no_folder_behind(tmp_path: Path) -> None:
    root = write_tiles(tmp_path / "data", label_value=4)
    with pytest.raises(DataError, match="4 is no class"):
        train_tiny(root, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_something_that_is_no_data_set_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train_dataset: list given; a Dataset, or an object with __len__"):
        train(Tiny(), [], optimizer=None, save_dir=tmp_path / "run")


def test_bad_samples_and_iterations_can_be_left_out(tmp_path: Path) -> None:
    tiles = open_tiles(write_tiles(tmp_path / "data"), [T.Resize(RESIZED), T.Normalize()])

    class Torn:
        num_classes = 2
        reads = 0

        def __len__(self):
            return len(tiles)

        def __getitem__(self, index):
            Torn.reads += 1
            if index == 1:
                raise OSError("the tape is torn")
            image, label = tiles[index]
            return image * (np.nan if Torn.reads in (30, 31) else 1), label

    model = Tiny()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = {"types": [CrossEntropyLoss()], "coef": [1]}
    train(model, Torn(), None, optimizer, tmp_path / "run", iters=20, losses=losses, save_interval=0, nonfinite="skip", on_error="skip")
    assert "OSError: the tape is torn" in (tmp_path / "run" / "skipped_samples.jsonl").read_text()
    saved = torch.load(tmp_path / "run" / "model_latest.pth", weights_only=True)
    assert saved["hooks"]["skipped_steps"]["count"] in (1, 2)
    assert all(bool(value.isfinite().all()) for value in saved["model"].values())


class NamedTiles(Dataset):
    CLASSES = ("ground", "building")


class OtherTiles(Dataset):
    CLASSES = ("building", "ground")


def test_names_of_a_data_set_are_kept_and_held_against_those_of_the_validation(tmp_path: Path) -> None:
    root = write_tiles(tmp_path / "data")
    transforms = [T.Resize(target_size=RESIZED), T.Normalize()]
    options = {"iters": 1, "batch_size": 2, "losses": {"types": [CrossEntropyLoss()], "coef": [1]}}
    data = NamedTiles(transforms, root, 2, train_path=root / "train.txt")
    network = Tiny()
    train(network, data, optimizer=torch.optim.SGD(network.parameters(), lr=0.01), save_dir=tmp_path / "run", **options)
    checkpoint = torch.load(tmp_path / "run" / "model_latest.pth", weights_only=True)
    assert checkpoint["names"] == {"semseg": ["ground", "building"]}
    other = OtherTiles(transforms, root, 2, mode="val", val_path=root / "val.txt")
    with pytest.raises(DataError, match=r"^val_dataset: .*ground"):
        train(network, data, other, optimizer=torch.optim.SGD(network.parameters(), lr=0.01), save_dir=tmp_path / "b", **options)


def named_run(tmp_path: Path) -> tuple[torch.nn.Module, Dataset, Dataset]:
    """Train a U-Net on named classes, and return it with validation data of the same names and of others in their place."""
    root = write_tiles(tmp_path / "data")
    transforms = [T.Resize(target_size=RESIZED), T.Normalize()]
    same_names, others = (kind(transforms, root, 2, mode="val", val_path=root / "val.txt") for kind in (NamedTiles, OtherTiles))
    data = NamedTiles(transforms, root, 2, train_path=root / "train.txt")
    network = UNet(2)
    options = {"iters": 1, "batch_size": 2, "losses": {"types": [CrossEntropyLoss()], "coef": [1]}}
    train(network, data, same_names, optimizer=torch.optim.SGD(network.parameters(), lr=0.01), save_dir=tmp_path / "run", **options)
    return network, same_names, others


def test_an_evaluation_holds_its_names_against_those_that_the_network_learned(tmp_path: Path) -> None:
    network, same_names, others = named_run(tmp_path)
    best, latest = tmp_path / "run" / "best_model" / "model.pdparams", tmp_path / "run" / "model_latest.pth"
    assert json.loads((best.parent / "classes.json").read_text()) == ["ground", "building"]
    loaded = [network, UNet(2, pretrained=best), UNet(2, pretrained=latest)]
    for path in (best, latest):
        loaded.append(UNet(2))
        loaded[-1].set_state_dict(paddle.load(path))
    predicted = UNet(2)
    predict(predicted, best, same_names.pipeline.transforms.transforms, [], save_dir=tmp_path / "out")
    for other_network in [*loaded, predicted]:
        evaluate(other_network, same_names, print_detail=False)
        with pytest.raises(DataError, match=r"^eval_dataset: semseg are|^eval_dataset: classes are ground, building"):
            evaluate(other_network, others, print_detail=False)
    unknown = UNet(2)
    unknown.load_state_dict(dict(paddle.load(best)))
    evaluate(unknown, others, print_detail=False)


def test_an_export_has_the_names_that_the_network_learned(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    network, _, _ = named_run(tmp_path)
    export(network, tmp_path / "model.onnx", shape=(3, 64, 64))
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["ground", "building"]'
    with pytest.raises(DataError, match="export: classes: classes are ground, building"):
        export(network, tmp_path / "other.onnx", shape=(3, 64, 64), classes=["building", "ground"])


def test_switches_of_paddleseg_are_settings() -> None:
    half = {"SOLVER.AMP.ENABLED": True, "SOLVER.AMP.DTYPE": "fp16"}
    assert read_switches() == ({}, WHOLE_IMAGES)
    assert read_switches(fp16=True) == read_switches(precision="fp16") == (half, WHOLE_IMAGES)
    assert read_switches(to_static_training=True) == ({"MISC.COMPILE": "always"}, WHOLE_IMAGES)


def test_a_switch_reaches_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SOLVER.AMP.DTYPE: fp16 cannot be trained on cpu; set it to bf16"):
        train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", precision="fp16")


def test_evaluations_of_a_training_look_through_windows(tmp_path: Path) -> None:
    sizes = set()

    class Watching(Tiny):
        def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
            if not self.training:
                sizes.add(tuple(images.shape[2:]))
            return super().forward(images)

    root, model = write_tiles(tmp_path / "data"), Watching()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = {"types": [CrossEntropyLoss()], "coef": [1]}
    data, val_data = open_tiles(root), open_tiles(root, split="val")
    windows = {"is_slide": True, "crop_size": (16, 16), "stride": (16, 16)}
    train(model, data, val_data, optimizer, tmp_path / "run", iters=1, losses=losses, test_config=windows)
    assert sizes == {(16, 16)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bf16"}, "train: precision: 'bf16' given, one of fp32, fp16 expected"),
        ({"amp_level": "O2"}, "train: amp_level: 'O2' given"),
        ({"profiler_options": "batch_range=[0, 1]"}, r"profiler_options: .*MISC.PROFILER.ENABLED"),
        ({"test_config": {"aug_eval": True}}, r"test_config: aug_eval: True given; evaluate\("),
        ({"test_config": {"is_slide": True}}, "test_config: is_slide with crop_size None"),
        ({"test_config": {"auc_roc": True}}, "test_config: auc_roc given"),
    ],
)
def test_switches_without_a_counterpart_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_tiny(write_tiles(tmp_path / "data"), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
