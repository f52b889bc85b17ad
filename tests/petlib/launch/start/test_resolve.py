from pathlib import Path
from typing import Any

import pytest

from petlib.errors import ConfigError
from petlib.launch.start.resolve import Script, describe_not_found, find_config, find_places, find_script, repository_of, type_of_script

NAME = "train_net.py"


def resolve_script(config: Path, name: str, **where: Any) -> Script:
    places = find_places(config, **where)
    script = find_script(places, name)
    if script is None:
        tried = [place.script(name) for place in places]
        raise ConfigError(describe_not_found(config, name, places, tried, type_folder=where.get("type_folder")))
    return script


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


@pytest.mark.parametrize(
    ("config", "folders"),
    [
        ("cfgs/vision/x.yaml", ("vision",)),
        ("cfgs/vision/mscoco/deep/x.yaml", ("vision",)),
        ("cfgs/tasks/cls/x.yaml", ("tasks", "cls")),
        ("cfgs/tasks/cls/imagenet/deep/x.py", ("tasks", "cls")),
        ("cfgs/projects/fairmot/mot17/x.yaml", ("projects", "fairmot")),
        ("cfgs/tutorials/cifar/x.yaml", ("tutorials",)),
        ("cfgs/old/cfgs/vision/x.yaml", ("vision",)),
    ],
)
def test_the_deepest_script_below_the_type_is_taken(tmp_path, config, folders):
    root = tmp_path / "cfgs/old" if "old" in config else tmp_path
    types = ("vision", "tasks/cls", "tasks", "projects/fairmot", "tutorials")
    make(tmp_path, config, *(f"{(root / 'tools' / kind).relative_to(tmp_path)}/{NAME}" for kind in types))
    script = resolve_script(tmp_path / config, NAME)
    assert script.path == root.joinpath("tools", *folders, NAME)
    assert script.place.folders == folders


def test_an_outer_cfgs_is_tried_after_an_inner_one(tmp_path):
    make(tmp_path, "cfgs/vision/cfgs/new/x.yaml", f"tools/vision/{NAME}")
    assert resolve_script(tmp_path / "cfgs/vision/cfgs/new/x.yaml", NAME).path == tmp_path / "tools/vision" / NAME


def test_relative_paths_and_parent_parts_count_from_the_current_folder(tmp_path, monkeypatch):
    make(tmp_path, "cfgs/vision/x.yaml", "cfgs/tasks/cls/y.yaml", f"tools/vision/{NAME}", f"tools/tasks/cls/{NAME}")
    monkeypatch.chdir(tmp_path / "cfgs/vision")
    assert resolve_script(Path("x.yaml"), NAME).path == tmp_path / "tools/vision" / NAME
    assert resolve_script(Path("../tasks/cls/y.yaml"), NAME).path == tmp_path / "tools/tasks/cls" / NAME


def test_test_scripts_are_found_the_same_way(tmp_path):
    make(tmp_path, "cfgs/vision/x.yaml", f"tools/vision/{NAME}", "tools/vision/test_net.py")
    assert resolve_script(tmp_path / "cfgs/vision/x.yaml", "test_net.py").path == tmp_path / "tools/vision/test_net.py"


def test_a_link_is_taken_as_written_before_it_is_followed(tmp_path):
    make(tmp_path, "real/cfgs/vision/x.yaml", f"real/tools/vision/{NAME}", f"mine/tools/tasks/{NAME}")
    (tmp_path / "mine/cfgs/tasks").mkdir(parents=True)
    (tmp_path / "mine/cfgs/tasks/link.yaml").symlink_to(tmp_path / "real/cfgs/vision/x.yaml")
    assert resolve_script(tmp_path / "mine/cfgs/tasks/link.yaml", NAME).path == tmp_path / "mine/tools/tasks" / NAME
    (tmp_path / "plain.yaml").symlink_to(tmp_path / "real/cfgs/vision/x.yaml")
    assert resolve_script(tmp_path / "plain.yaml", NAME).path == tmp_path / "real/tools/vision" / NAME


@pytest.mark.parametrize(
    ("config", "kind", "folders"),
    [
        ("outside/x.yaml", "vision", ("vision",)),
        ("outside/projects/fairmot/x.yaml", "projects", ("projects", "fairmot")),
        ("outside/tasks/cls/fine/x.yaml", "tasks", ("tasks", "cls")),
        ("outside/x.yaml", "tasks/cls", ("tasks", "cls")),
        ("outside/tasks/cls/x.yaml", "tasks/cls", ("tasks", "cls")),
    ],
)
def test_outside_a_cfgs_folder_the_type_and_the_repository_decide(tmp_path, monkeypatch, config, kind, folders):
    repository = make(tmp_path / "repo", *(f"tools/{name}/{NAME}" for name in ("vision", "tasks/cls", "projects/fairmot")))
    make(tmp_path, config)
    monkeypatch.chdir(tmp_path)
    script = resolve_script(tmp_path / config, NAME, type_folder=kind, repository=repository)
    assert (script.path, script.place.folders) == (repository.joinpath("tools", *folders, NAME), folders)


def test_the_record_of_a_run_names_its_type(tmp_path, monkeypatch):
    repository = make(tmp_path / "repo", f"tools/tasks/cls/{NAME}", f"tools/vision/{NAME}")
    make(tmp_path, "ckpts/digits/config.yaml", "mine/cfgs/vision/x.yaml", f"mine/tools/vision/{NAME}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ckpts/digits/config.yaml").write_text("_TYPE_: tasks/cls\n")
    (tmp_path / "ckpts/digits/more.yaml").write_text("_BASE_: config.yaml\n")
    for name in ("config.yaml", "more.yaml"):
        assert resolve_script(tmp_path / "ckpts/digits" / name, NAME, repository=repository).path == repository / "tools/tasks/cls" / NAME
    assert resolve_script(tmp_path / "ckpts/digits/config.yaml", NAME, type_folder="vision", repository=repository).place.folders == (
        "vision",
    )
    # the place of a file says it first
    (tmp_path / "mine/cfgs/vision/x.yaml").write_text("_TYPE_: tasks/cls\n")
    assert resolve_script(tmp_path / "mine/cfgs/vision/x.yaml", NAME, repository=repository).path == tmp_path / "mine/tools/vision" / NAME


@pytest.mark.parametrize(
    ("script", "kind"), [("a/tools/tasks/cls/train_net.py", "tasks/cls"), ("tools/vision/train_net.py", "vision"), ("own/train.py", "")]
)
def test_the_type_of_a_script_follows_from_its_place(tmp_path, monkeypatch, script, kind):
    monkeypatch.chdir(tmp_path)
    assert type_of_script(Path(script)) == kind
    assert type_of_script(tmp_path / script) == kind


def test_with_a_type_the_own_root_comes_before_current_folder_and_repository(tmp_path, monkeypatch):
    roots = [make(tmp_path / name, f"tools/vision/{NAME}") for name in ("own", "here", "repo")]
    make(tmp_path, "own/cfgs/tasks/x.yaml")
    monkeypatch.chdir(tmp_path / "here")
    for root in roots:
        found = resolve_script(tmp_path / "own/cfgs/tasks/x.yaml", NAME, type_folder="vision", repository=tmp_path / "repo")
        assert found.path == root / "tools/vision" / NAME
        found.path.unlink()


def test_what_cannot_be_resolved_lists_every_path_that_was_tried(tmp_path):
    make(tmp_path, "cfgs/tasks/cls/x.yaml")
    with pytest.raises(ConfigError) as error:
        resolve_script(tmp_path / "cfgs/tasks/cls/x.yaml", NAME)
    text = str(error.value)
    assert text.index(f"{tmp_path}/tools/tasks/cls/{NAME}") < text.index(f"{tmp_path}/tools/tasks/{NAME}")
    assert "give --type" in text


def test_a_config_without_a_type_asks_for_one(tmp_path):
    make(tmp_path, "x.yaml", "cfgs/y.yaml")
    for config in ("x.yaml", "cfgs/y.yaml"):
        with pytest.raises(ConfigError, match=r"no cfgs/<type>/ part(?s:.*)--type"):
            resolve_script(tmp_path / config, NAME)


def test_an_unknown_type_names_the_nearest(tmp_path):
    make(tmp_path, "cfgs/vision/x.yaml", f"tools/vision/{NAME}", f"tools/tasks/cls/{NAME}")
    with pytest.raises(ConfigError, match=r"types there are: (.*, )?tasks/cls, (.*, )?vision; did you mean vision\?"):
        resolve_script(tmp_path / "cfgs/vision/x.yaml", NAME, type_folder="vison")


def test_tasks_of_the_package_are_named_where_a_folder_has_no_scripts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = make(tmp_path, "cfgs/x.yaml") / "cfgs/x.yaml"
    text = describe_not_found(config, NAME, find_places(config, type_folder="tasks/cls"), [], type_folder="tasks/cls", package="pet")
    assert "types there are" not in text
    assert "tasks of pet: projects/buildseg, projects/changedet, " in text
    assert text.endswith("the script of tasks/cls is in the tree of pet: start tools/train_net_all.py there")
    text = describe_not_found(config, "task", find_places(config, type_folder="vison"), [], type_folder="vison", package="pet")
    assert "tasks/cls, " in text
    assert text.endswith(", vision; did you mean vision?")


@pytest.mark.parametrize("kind", ["/vision", "../vision", "."])
def test_a_type_is_a_folder_below_tools(tmp_path, kind):
    with pytest.raises(ConfigError, match="a folder below tools/ expected"):
        resolve_script(make(tmp_path, "x.yaml") / "x.yaml", NAME, type_folder=kind)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A package with a folder of configs and scripts, and one in a checkout."""
    make(tmp_path, *(f"site/tiny/{name}" for name in ("__init__.py", "shipped/cfgs/vision/a.yaml", "shipped/tools/vision/train_net.py")))
    make(
        tmp_path, "checkout/tree/__init__.py", "checkout/cfgs/vision/a.yaml", "checkout/tools/vision/train_net.py", "site/bare/__init__.py"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path / "checkout"))
    monkeypatch.chdir(make(tmp_path, "work/cfgs/own.yaml") / "work")
    return tmp_path


def test_a_package_ships_configs_and_scripts_or_lies_in_a_checkout(packages):
    assert repository_of("tiny") == packages / "site/tiny/shipped"
    assert repository_of("tree") == packages / "checkout"
    assert repository_of("bare") is None
    assert repository_of("not_there_at_all") is None


def test_a_config_is_the_file_that_is_there_or_one_of_the_package(packages):
    shipped = packages / "site/tiny/shipped/cfgs/vision/a.yaml"
    assert find_config(Path("vision/a.yaml"), "tiny") == find_config(Path("cfgs/vision/a.yaml"), "tiny") == shipped
    assert find_config(Path("cfgs/own.yaml"), "tiny") == Path("cfgs/own.yaml")
    assert find_config(Path("nothing_like_it.yaml"), "tiny") == Path("nothing_like_it.yaml")
    assert find_config(Path("../tools/vision/train_net.py"), "tiny") == Path("../tools/vision/train_net.py")
    assert find_config(Path("vision/a.yaml"), "bare") == Path("vision/a.yaml")


@pytest.mark.parametrize("given", ["vision/a", "cfgs/vision/a", "vision/b.yaml", "cfgs/vison/a.yaml", "a.yaml", "a"])
def test_a_name_that_nearly_fits_a_config_of_the_package_is_answered_with_that(packages, given):
    with pytest.raises(ConfigError, match=f"^{given}: there is no such config, neither here nor in tiny; did you mean vision/a.yaml.$"):
        find_config(Path(given), "tiny")


def test_where_own_configs_lie_a_mistyped_name_is_no_config_of_the_package(packages):
    make(packages, "work/vision/own.yaml")
    assert find_config(Path("vision/b.yaml"), "tiny") == Path("vision/b.yaml")
