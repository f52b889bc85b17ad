"""antgo's options of a script: argparse, which comes with Python, has them."""

from pet.compat.shared.absent import refuse_absent

ADVICE = (
    "read options with argparse, e.g. parser = argparse.ArgumentParser(); parser.add_argument('--exp'); args = parser.parse_args(); "
    "Trainer, Tester and Exporter take cfg, work_dir, gpu_id, distributed and resume_from as arguments"
)
NAMES = ("nn_args", "string", "int", "float", "bool", "boolean", "indicator", "choices")
ABSENT = {**{f"DEFINE_{name}": ADVICE for name in NAMES}, "parse_args": ADVICE}
__getattr__ = refuse_absent(__name__, ABSENT)
