"""XML files from outside."""

from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pet.data.files.limits import LIMITS
from pet.data.files.opening import read_file
from petlib.errors import DataError


def read_xml(path: Path, *, what: str, most_bytes: int | None = None) -> Element:
    """Return the outermost element of an XML file.

    Args:
        path: the file.
        what: what it is called in messages.
        most_bytes: its greatest size; None: that of all files.

    Raises:
        DataError: it cannot be read, is larger, no XML, or has a document type, which could make a small file grow without end.
    """
    data = read_file(path, what=what, most_bytes=min(most_bytes or LIMITS.file_bytes, LIMITS.file_bytes))
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*declaration: Any) -> NoReturn:  # noqa: ARG001 -- what expat says of it
        raise DataError(f"{path}:{parser.CurrentLineNumber}: the XML has a document type (<!DOCTYPE ...>), which is not read; remove it")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise DataError(f"{path}:{error.lineno}: not an XML file, or a damaged one: {error}") from error
    except (LookupError, ValueError, TypeError) as error:
        # an encoding that Python's parser does not know
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}:1: the XML cannot be read: {error}; save it as UTF-8") from error
    root: Element = builder.close()
    return root
