"""Installs two packages: ``pet``, and ``petlib`` from ``lib/``."""

from pathlib import Path

from setuptools import find_packages, setup

REQUIRED = [
    "torch>=2.11,<2.16",
    "torchvision>=0.26,<0.30",
    "numpy>=1.26",
    "pyyaml>=6",
    "yacs>=0.1.8",
    "lazy-loader>=0.4",
    "opencv-python-headless>=4.11",
    "pillow>=10",
    "timm>=1.0.12",
    "fvcore>=0.1.5.post20221221",
    "thop>=0.1.1.post2209072238",
    "tensorboard>=2.16",
    "rich>=13",
    "matplotlib>=3.8",
    "jinja2>=3.1",
    "pycocotools>=2.0.8",
    "faster-coco-eval>=1.6.5",
    "segmentation-models-pytorch>=0.5",
    "scipy>=1.13",
]
DEMO = ["scikit-learn>=1.4"]
EXPORT = ["onnx>=1.16", "onnxscript>=0.5", "onnxruntime>=1.18"]
OPENVINO = ["openvino>=2025.0"]
GEO = ["rasterio>=1.4"]
DETR = ["transformers>=5.24,<6"]
REMOTE = ["obstore>=0.9"]
SLURM = ["submitit>=1.5"]
DOCS = ["mkdocs-material>=9.8", "jieba>=0.42.1"]
RAY = ["ray[default]>=2.60,<3"]
CHECK = ["imagehash>=4.3"]
SEARCH = ["optuna>=4.4", *DEMO]
TRACKERS = {"mlflow": ["mlflow-skinny>=3", "sqlalchemy>=2", "alembic>=1.13"], "wandb": ["wandb>=0.20"], "trackio": ["trackio>=0.30"]}
DEV = [
    *DEMO,
    *EXPORT,
    *OPENVINO,
    *GEO,
    *DETR,
    *REMOTE,
    *SLURM,
    *SEARCH,
    *CHECK,
    "pytest>=8",
    "pytest-xdist>=3.5",
    "ruff>=0.12",
    "mypy>=1.13",
    "types-PyYAML",
    "hypothesis>=6.100",
    "torchmetrics>=1.5",
    "jsonschema>=4",
    "moto[s3]>=5.1",
    "flask>=3",
    "flask-cors>=5",
    "mkdocs>=1.6,<2",
    "pymdown-extensions>=11",
    "build>=1",
    "setuptools>=77",
]

ROOT = Path(__file__).parent
COMMANDS = (
    "train",
    "test",
    "export",
    "inference",
    "check",
    "browse",
    "pack",
    "label",
    "new",
    "configs",
    "models",
    "doctor",
    "report",
    "view",
    "jobs",
    "search",
)
SHIPPED = "pet.shipped"
"""Where an installed Pet has its configs and training scripts, which a checkout has in cfgs/ and tools/."""
SHIPPED_FILES = ("cfgs/**/*.yaml", "cfgs/**/*.json", "tools/**/train_net.py")
SHIPPED_FOLDERS = {
    f"{SHIPPED}.{'.'.join(folder.relative_to(ROOT).parts)}": str(folder.relative_to(ROOT))
    for folder in sorted(
        {file.parent for pattern in ("cfgs/**/*.yaml", "cfgs/**/*.json", "tools/**/train_net.py") for file in ROOT.glob(pattern)}
    )
}
VERSION = (ROOT / "pet" / "__init__.py").read_text().split('__version__ = "')[1].split('"')[0]

setup(
    name="pet-vision",
    version=VERSION,
    description="Trains vision models from config files",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=[*find_packages(include=["pet", "pet.*"]), *find_packages("lib"), *SHIPPED_FOLDERS],
    package_dir={"petlib": "lib/petlib", **SHIPPED_FOLDERS},
    package_data={
        "": ["py.typed", "*.pyi"],
        **{name: ["*.yaml", "*.json"] for name in SHIPPED_FOLDERS},
        "pet.projects": ["*/presets/*.yaml"],
        "pet.models.zoo": ["models.yaml"],
        "pet.templates": ["files/**/*.template"],
        "pet.exporting": ["scripts/*.template"],
        "pet.report": ["assets/*"],
    },
    install_requires=REQUIRED,
    extras_require={
        "demo": DEMO,
        "export": EXPORT,
        "openvino": OPENVINO,
        "geo": GEO,
        "detr": DETR,
        "remote": REMOTE,
        "slurm": SLURM,
        "docs": DOCS,
        "ray": RAY,
        "check": CHECK,
        "search": SEARCH,
        **TRACKERS,
        "dev": DEV,
    },
    entry_points={"console_scripts": [f"pet-{name} = pet.cli:{name}" for name in COMMANDS]},
)
