"""Pretrained models from the local store and from URLs."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
import torch

from pet import segmentation
from pet.compat.aiearth.model_zoo.model import PretrainedModel
from pet.compat.aiearth.trainer.mmseg import LandcoverTrainer
from pet.segmentation.runs import load_first_weights
from petlib.errors import CheckpointError, ConfigError

URI = "aie://LandCover/landcover v1.6.pth"
CONTENT = b"weights" * 1000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PET_MODELS", str(tmp_path / "store"))
    path = tmp_path / "store" / "LandCover" / "landcover v1.6.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return path


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- named by the standard library
        pass


class CutOff(Quiet):
    """Ends the connection after half of a file."""

    def copyfile(self, source: object, outputfile: object) -> None:
        self.wfile.write(source.read()[: len(CONTENT) // 2])  # type: ignore[attr-defined]


@pytest.fixture
def serve(store: Path) -> Iterator[object]:
    servers = []

    def start(handler: type[SimpleHTTPRequestHandler]) -> str:
        server = HTTPServer(("127.0.0.1", 0), partial(handler, directory=str(store.parents[1])))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def cached(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def add_checksum(store: Path, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    store.with_name(store.name + ".sha256").write_text(f"{digest}  {store.name}\n")


def test_a_folder(store: Path) -> None:
    assert PretrainedModel(URI).local_path == str(store)
    assert PretrainedModel(model_type="LandCover", model_name=store.name).local_path == str(store)
    add_checksum(store, CONTENT)
    assert PretrainedModel(URI).local_path == str(store)
    add_checksum(store, b"other weights")
    with pytest.raises(CheckpointError, match=r"landcover v1\.6\.pth: the SHA-256 checksum of the file is .*damaged or another one"):
        PretrainedModel(URI)


MMSEGMENTATION = (
    ("network.backbone.body.", "backbone."),
    ("network.decoder.decoder.conv.", "decode_head.convs.0.conv."),
    ("network.decoder.decoder.norm.", "decode_head.convs.0.bn."),
    ("network.classifier.", "decode_head.conv_seg."),
)


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_weights_under_the_names_of_mmsegmentation_are_loaded(wrapper: str, store: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As the file of the document is saved."""
    trainer = LandcoverTrainer()
    trainer.cfg.pet.MODEL.NETWORK = "fcn_hrnet_w18_small"
    trainer.cfg.pet.ANALYSER.ENABLED = False
    cfg = trainer.settings(["background", "river", "road"])
    torch.manual_seed(0)
    source, target = segmentation.TASK.build_model(cfg), segmentation.TASK.build_model(cfg)
    state = source.state_dict()
    theirs = {}
    for name, value in state.items():
        ours, other = next(pair for pair in MMSEGMENTATION if name.startswith(pair[0]))
        theirs[wrapper + other + name.removeprefix(ours)] = value
    theirs[f"{wrapper}auxiliary_head.conv_seg.weight"] = torch.zeros(3, 8, 1, 1)
    torch.save({"meta": {"CLASSES": ["river"], "epoch": 3}, "state_dict": theirs}, store)
    trainer.load_from(PretrainedModel(URI))
    caplog.set_level("INFO")
    load_first_weights(target, trainer.settings(["background", "river", "road"]))
    for name, value in target.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert f"1 unexpected: {wrapper}auxiliary_head.conv_seg.weight" in caplog.text


def test_an_absent_file_says_where_to_put_it(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.unlink()
    with pytest.raises(
        CheckpointError, match=f"{store}: the model LandCover/landcover v1.6.pth is not in the store; put the file there by"
    ):
        PretrainedModel(URI)
    monkeypatch.delenv("PET_MODELS")
    with pytest.raises(CheckpointError, match=f"{tmp_path}/cache/pet/models/LandCover/landcover v1.6.pth: the model"):
        PretrainedModel(URI)


@pytest.mark.parametrize("kind", ["file", "http"])
def test_a_url_is_downloaded_once(kind: str, store: Path, tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("PET_MODELS", serve(Quiet) if kind == "http" else (tmp_path / "store").as_uri())
    add_checksum(store, CONTENT)
    path = Path(PretrainedModel(URI).local_path)
    assert path == tmp_path / "cache" / "pet" / "models" / "LandCover" / store.name
    assert path.read_bytes() == CONTENT
    store.unlink()
    assert PretrainedModel(URI).local_path == str(path)
    assert cached(tmp_path) == [path]


@pytest.mark.parametrize("kind", ["file", "http"])
def test_nothing_half_written_stays(kind: str, store: Path, tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("PET_MODELS", serve(Quiet) if kind == "http" else (tmp_path / "store").as_uri())
    add_checksum(store, b"other weights")
    with pytest.raises(CheckpointError, match="the SHA-256 checksum of the file is"):
        PretrainedModel(URI)
    store.with_name(store.name + ".sha256").write_text("<html>")
    with pytest.raises(CheckpointError, match="'<html>' is no SHA-256 checksum"):
        PretrainedModel(URI)
    store.with_name(store.name + ".sha256").unlink()
    store.unlink()
    with pytest.raises(CheckpointError, match=r"the model cannot be had: .*put the file there, or by hand to .*cache"):
        PretrainedModel(URI)
    assert cached(tmp_path) == []


def test_a_connection_that_ends_early(store: Path, tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("PET_MODELS", serve(CutOff))
    with pytest.raises(CheckpointError, match="the connection ended after 3500 of 7000 bytes; try again"):
        PretrainedModel(URI)
    assert cached(tmp_path) == []


@pytest.mark.parametrize("uri", ["LandCover/a.pth", "aie://LandCover", "aie://../a.pth", "aie://LandCover/../../a.pth", "aie:///a.pth"])
def test_what_is_no_uri(uri: str, store: Path) -> None:
    with pytest.raises(ConfigError, match="the URI of a model like 'aie://LandCover/landcover_v1.6.pth' expected"):
        PretrainedModel(uri)


def test_other_kinds_of_stores_are_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_MODELS", "ftp://models")
    with pytest.raises(ConfigError, match=r"PET_MODELS: 'ftp://models' given, a folder or the beginning of a URL \(http, https, file\)"):
        PretrainedModel(URI)
