"""Tokens and addresses of trackers stay out of messages."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

PRIVATE_NAMES = re.compile(
    r"^(MLFLOW|WANDB|TRACKIO|HF|HUGGING_FACE)_.*(URI|URL|TOKEN|KEY|PASSWORD|SECRET|USERNAME|HOST|SPACE_ID|BUCKET_ID)"
)
SHORTEST = 4
USER_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+@")


def hide_private_values(text: str, environment: Mapping[str, str]) -> str:
    """Return a message in which the values of private environment variables are replaced by their names, parts of addresses too."""
    found: dict[str, str] = {}
    for name, value in environment.items():
        if PRIVATE_NAMES.match(name):
            found |= {part: f"${name}" for part in (value, *_parts(value)) if len(part) >= SHORTEST}
    for value in sorted(found, key=len, reverse=True):
        text = text.replace(value, found[value])
    return USER_IN_ADDRESS.sub("", text)


def _parts(value: str) -> list[str]:
    """Return host, user and password of an address."""
    try:
        address = urlsplit(value)
        return [part for part in (address.netloc, address.hostname, address.username, address.password) if part]
    except ValueError:
        return []
