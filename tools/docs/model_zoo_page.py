"""The page of models: what is published and was trained by others, what was trained with Pet, and what has not been run yet."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from pet.commands.configs import shipped_configs
from pet.models.zoo.licences import is_free
from pet.models.zoo.table import PublishedModel, published_models

TRAINED = Path(__file__).with_name("trained.yaml")
HARDWARE, AUTHORS = "two shared cores, no GPU", "Pet's maintainers"
HEAD = """# Model zoo

What was trained by whom on what hardware with which figures. `make docs` writes this page from `pet/models/zoo/models.yaml` and
`tools/docs/trained.yaml`; `pet-models` prints the first table and downloads ([first_hour.md](first_hour.md#published-weights)).

## Trained by others

Weights that Pet begins with or tests. The figures are those of their authors, at the address, on their hardware; they were not measured again
here. `ms` is an image on a T4 with TensorRT in fp16. A licence with a star is not free for every product and asks for a yes.
"""
OWN = """
## Trained with Pet

Single runs with the config as it is, on data that Pet draws or that are small and free; the page says more.
"""
NOT_YET = """
## Not run yet

No one has trained these with Pet, as far as is known here, so Pet claims no figure for them. What their files say, including what others
published for the same recipe:
"""


def model_zoo_page() -> str:
    """Return the whole page."""
    trained = trained_recipes()
    return "\n".join([HEAD, *_published(), OWN, *_own(trained), NOT_YET, *_not_yet(trained)]) + "\n"


def trained_recipes() -> Mapping[str, Mapping[str, str]]:
    """Return what was trained with Pet, by the name of the config."""
    recipes: Mapping[str, Mapping[str, str]] = yaml.safe_load(TRAINED.read_text(encoding="utf-8"))
    return recipes


def _published() -> Iterator[str]:
    yield "| name | task | figures | parameters | licence | from | config |\n|---|---|---|---|---|---|---|"
    for model in published_models().values():
        config = f"[`{model.config}`](../cfgs/{model.config})" if model.config else ""
        yield f"| `{model.name}` | {model.task} | {_figures(model)} | {_size(model)} | {_licence(model)} | [source]({model.source}) | {config} |"


def _figures(model: PublishedModel) -> str:
    return model.shown_figures or "not stated here"


def _size(model: PublishedModel) -> str:
    return f"{model.parameters:g} M" if model.parameters else "unknown"


def _licence(model: PublishedModel) -> str:
    return model.licence + ("" if is_free(model.licence) else " *") + ("" if model.weights else ", Pet has no network for them")


def _own(trained: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    yield "| config | figures | hardware and time | by | page |\n|---|---|---|---|---|"
    for name, recipe in trained.items():
        hardware = recipe.get("hardware", HARDWARE) + (f"; {recipe['cost']}" if recipe["cost"] else "")
        page = Path(recipe["page"])
        link = f"[{page.name}]({page.name if page.parent.name == 'docs' else f'../{page}'})"
        yield f"| [`{name}`](../cfgs/{name}) | {recipe['figures']} | {hardware} | {recipe.get('by', AUTHORS)} | {link} |"


def _not_yet(trained: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    yield "| config | task | what it says |\n|---|---|---|"
    for config in shipped_configs():
        if config.name not in trained:
            yield f"| [`{config.name}`](../cfgs/{config.name}) | {config.task} | {config.line.replace('|', ' ')} |"
