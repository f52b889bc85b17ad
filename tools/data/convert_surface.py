"""Makes the mesh of DensePose-COCO, one file, of the official ones: python tools/data/convert_surface.py --subdiv FILE ... --out FILE."""

from pet.cli import convert_surface

if __name__ == "__main__":
    convert_surface()
