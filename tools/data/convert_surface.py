"""Makes the mesh of DensePose-COCO, one file, of the official ones: python tools/data/convert_surface.py --subdiv FILE ... --out FILE."""

from pet.commands.convert_surface import main

if __name__ == "__main__":
    main()
