"""Write what follows from the code: ``docs/config.md``, the types and JSON schemas of configs, ``docs/transforms.md``, ``docs/api.md``,
``docs/model_zoo.md`` and ``docs/gallery.md``.

The page is the prose of ``docs/config_head.md`` and the tables of all keys; the types are ``petlib/config/typed.pyi`` and the stubs of
``pet/typed``: what several tasks have, and for each folder of tasks those with settings of their own. The schemas are in
``cfgs/schemas``, one for each type of config.

python tools/docs/write_config_page.py [--check]
"""

import argparse
import importlib
import json
import re
import sys
from pathlib import Path

from api_page import api_page
from gallery import gallery_page
from model_zoo_page import model_zoo_page
from transforms_page import transforms_page

from pet.config import TASK_SCHEMA
from pet.data.loading.build import LISTS_OF_TRANSFORMS
from pet.data.transforms.build import TRANSFORMS
from pet.segmentation.config import SEGMENTATION_SCHEMA
from pet.vision.config import get_base_cfg as get_vision_cfg
from petlib.config import CfgNode
from petlib.config.defaults import PETLIB_SCHEMA
from petlib.config.document import SECTION, ConfigType, same_types, schema_as_markdown, stub_of
from petlib.config.json_schema import json_schema
from petlib.config.key import Key, Schema, merge_schemas

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def find_tasks(folder: str) -> dict[str, Schema]:
    """Return the schemas of the tasks below a folder of ``pet`` by name: ``{"projects/buildseg": ...}``."""
    modules = sorted((ROOT / "pet" / folder).glob("*/config.py"))
    names = {f"{folder}/{path.parent.name}": f"pet.{folder}.{path.parent.name}.config" for path in modules}
    return {name: importlib.import_module(module).get_base_cfg().schema for name, module in names.items()}


TASKS = find_tasks("tasks") | find_tasks("projects")
PETLIB = ConfigType("PetlibConfig", PETLIB_SCHEMA, None, "The settings that every run has.")
PET = ConfigType("PetConfig", TASK_SCHEMA, PETLIB, "The settings that every task of Pet has.")
VISION = ConfigType("VisionConfig", get_vision_cfg().schema, PET, "The settings of the general CNN, and of ``tasks/cls``.")
SEGMENTATION = ConfigType("SegmentationConfig", SEGMENTATION_SCHEMA, PET, "The settings of the segmentation projects.")
SHARED = (PET, VISION, SEGMENTATION)


def task_types(folder: str) -> list[ConfigType]:
    """Return the types of the tasks below a folder of ``pet`` that have settings of their own."""
    found = []
    for task, schema in TASKS.items():
        place, _, name = task.partition("/")
        keys = CfgNode(schema).flat().keys()
        base = max((one for one in SHARED if CfgNode(one.schema).flat().keys() <= keys), key=lambda one: len(CfgNode(one.schema).flat()))
        if place == folder and not same_types(schema, base.schema):
            title = "".join(map(str.title, name.split("_")))
            found.append(ConfigType(f"{title}Config", schema, base, f"The settings of ``{task}``."))
    return found


def page() -> str:
    """Return the whole page."""
    vision = VISION.schema
    bases = ((vision, "`vision`"), (SEGMENTATION_SCHEMA, "the segmentation projects"))
    parts = [
        (DOCS / "config_head.md").read_text(encoding="utf-8").rstrip() + "\n",
        "## Keys of `vision`\n",
        schema_as_markdown(merge_schemas(PETLIB_SCHEMA, vision)),
        "## Keys of the segmentation projects\n",
        f"Those of `vision` except {_lacking(SEGMENTATION_SCHEMA, vision)}, and these, which are new or mean something else:\n",
        schema_as_markdown(difference(SEGMENTATION_SCHEMA, vision)),
    ]
    for name, schema in TASKS.items():
        base, title = min(bases, key=lambda one: _distance(schema, one[0]))
        missing = _lacking(schema, base)
        without = f" except {missing}" if missing else ""
        parts += [f"## Keys of `{name}`\n", f"Those of {title}{without}, and these, which are new or mean something else:\n"]
        parts += [schema_as_markdown(difference(schema, base))]
    return "\n".join(parts)


def _distance(schema: Schema, other: Schema) -> int:
    """Return how many keys two schemas have not in common."""
    return len(set(CfgNode(schema).flat()) ^ set(CfgNode(other).flat()))


def _lacking(schema: Schema, other: Schema) -> str:
    """Return the keys of ``other`` that ``schema`` has not; where it has nothing of a section, the section."""
    own = CfgNode(schema).flat()
    sections = {key.rpartition(".")[0] for key in own}
    missing = [key for key in CfgNode(other).flat() if key not in own]
    shown = [key if key.rpartition(".")[0] in sections else ".".join(key.split(".")[:2]) for key in missing]
    return ", ".join(f"`{key}`" for key in dict.fromkeys(shown))


def difference(schema: Schema, other: Schema) -> Schema:
    """Return what ``schema`` has that ``other`` lacks or has otherwise."""
    found: dict[str, Key | Schema] = {}
    for name, entry in schema.items():
        there = other.get(name)
        if isinstance(entry, Key):
            if entry != there:
                found[name] = entry
        else:
            inner = difference(entry, there if there is not None and not isinstance(there, Key) else {})
            if inner:
                found[name] = inner
    return found


def schemas() -> dict[Path, str]:
    """Return the JSON schema of each type of config by the file that it is written to."""
    components = dict.fromkeys(LISTS_OF_TRANSFORMS, sorted(TRANSFORMS.names()))
    every = {"vision": get_vision_cfg().schema, **TASKS}
    found = {name: json_schema(schema, title=f"Pet: {name}", components=components) for name, schema in every.items()}
    return {ROOT / "cfgs" / "schemas" / f"{name}.json": json.dumps(one, indent=1, ensure_ascii=False) + "\n" for name, one in found.items()}


def petlib_stub() -> str:
    """Return the types of petlib's own settings."""
    return stub_of([PETLIB], imports=f"from petlib.config.key import Schema\n\n{SECTION}")


def pet_stubs() -> dict[str, str]:
    """Return the stubs of ``pet/typed`` by their names."""
    folders = {folder: task_types(folder) for folder in ("projects", "tasks")}
    again = "".join(f"from pet.typed.{folder} import {one.name} as {one.name}\n" for folder, types in folders.items() for one in types)
    shared = with_imports(list(SHARED), {"petlib.config.typed": petlib_stub()}, further=again) + "\nAnyConfig = Any\n"
    places = {"pet.typed": shared, "petlib.config.typed": petlib_stub()}
    stubs = {folder: with_imports(types, places) for folder, types in folders.items()}
    return {"__init__": shared, **stubs}


def with_imports(types: list[ConfigType], places: dict[str, str], *, further: str = "") -> str:
    """Return the stub of some types, which imports what other stubs, ``places``, define.

    Args:
        types: what it defines.
        places: modules and the text of their stubs.
        further: lines with other imports.
    """
    words = set(re.findall(r"\w+", stub_of(types)))
    own = set(re.findall(r"^class (\w+)", stub_of(types), re.MULTILINE))
    lines = []
    for module, text in places.items():
        names = sorted((words - own) & set(re.findall(r"^class (\w+)", text, re.MULTILINE)))
        lines += [f"from {module} import {', '.join(names)}\n"] if names else []
    return stub_of(types, imports=further + "".join(lines))


def main() -> int:
    """Write the files, or with --check compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is not up to date")
    texts = {
        DOCS / "config.md": page(),
        DOCS / "transforms.md": transforms_page(),
        DOCS / "api.md": api_page(),
        DOCS / "model_zoo.md": model_zoo_page(),
        DOCS / "gallery.md": gallery_page(),
        ROOT / "lib" / "petlib" / "config" / "typed.pyi": petlib_stub(),
        **schemas(),
        **{ROOT / "pet" / "typed" / f"{name}.pyi": text for name, text in pet_stubs().items()},
    }
    if not parser.parse_args().check:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return 0
    old = [path.name for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if old:
        print(f"{', '.join(old)}: not what the code says: run make docs", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
