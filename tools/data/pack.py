"""Writes a data set into shards: python tools/data/pack.py DATA --out FOLDER|s3://BUCKET/NAME [--kinds boxes,masks]."""

from pet.cli import pack

if __name__ == "__main__":
    pack()
