"""Exports a trained model: python tools/export_net.py --cfg PATH [--weights FILE] [--out FILE]."""

from pet.commands.export_net import main

if __name__ == "__main__":
    main()
