"""Components of the user by name."""

from pet.compat.shared.absent import refuse_absent

ABSENT = {
    "Config": "files in Paddle's YAML are not read. A training by a file is a config of Pet, like "
    "cfgs/projects/buildseg/segformer_b2_512.yaml, started by tools/train_net_all.py; in a script give its values to train()"
}
__getattr__ = refuse_absent(__name__, ABSENT)
