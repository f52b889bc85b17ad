"""Tests a trained model of any task: python tools/test_net.py --cfg PATH, alone or below torchrun; test_net_all.py starts all processes."""

from pet.commands.test_net import main

if __name__ == "__main__":
    main()
