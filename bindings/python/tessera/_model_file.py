"""The few words at the head of an ONNX file that tessera.h does not tell."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import Any, NamedTuple


class Header(NamedTuple):
    producer_name: str = ""
    domain: str = ""
    version: int = 0
    description: str = ""
    graph_name: str = ""
    graph_description: str = ""


def _varint(data: Any, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


def _fields(data: Any, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field, its number, where its bytes begin and end) of a message. The model was loaded: it is well-formed."""
    while at < end:
        tag, at = _varint(data, at)
        number, begin = 0, at
        if tag & 7 == 0:
            number, at = _varint(data, at)
        elif tag & 7 == 2:
            length, begin = _varint(data, at)
            at = begin + length
        else:
            at += {1: 8, 5: 4}[tag & 7]
        yield tag >> 3, number, begin, at


def read_header(model: Any) -> Header:
    """Of a path or of bytes."""
    if isinstance(model, (str, os.PathLike)):
        with open(model, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(data)
    return _read(model)


def _read(data: Any) -> Header:
    found: dict[str, Any] = {}
    texts = {2: "producer_name", 4: "domain", 6: "description"}
    graph_texts = {2: "graph_name", 10: "graph_description"}
    for field, number, begin, end in _fields(data, 0, len(data)):
        if field in texts:
            found[texts[field]] = data[begin:end].decode("utf-8", "replace")
        elif field == 5:
            found["version"] = number
        elif field == 7:
            for inner, _, first, last in _fields(data, begin, end):
                if inner in graph_texts:
                    found[graph_texts[inner]] = data[first:last].decode("utf-8", "replace")
    return Header(**found)
