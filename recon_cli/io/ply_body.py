"""The tables after a PLY header, as arrays.

Nothing is allocated on the word of the header: a table's smallest possible size is compared with the bytes that are there first. Lists of
one length, the usual case, are read as one block; mixed lengths are walked once to find where each record starts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from recon_cli.core.errors import InputError
from recon_cli.io.ply_header import ByteOrder, Element, Header, Property

_LONGEST_NUMBER = 64  # characters; an array of text takes the longest one's room for each
_HINT = "the file is cut short or damaged; export or copy it again"


@dataclass(frozen=True)
class Lists:
    """A list a record, laid end to end."""

    counts: np.ndarray  # [N] int64
    values: np.ndarray  # [sum of counts]


Table = dict[str, np.ndarray | Lists]


def read_tables(data: bytes, header: Header, names: tuple[str, ...]) -> dict[str, Table]:
    """The tables called ``names``, as far as the file has them, in native byte order.

    Raises:
        InputError: the file ends too early, or a value does not fit its type.
    """
    wanted = [index for index, element in enumerate(header.elements) if element.name in names]
    tables: dict[str, Table] = {}
    text = _Text(data, header) if header.is_text else None
    offset = header.body
    for element in header.elements[: wanted[-1] + 1 if wanted else 0]:
        if text is not None:
            table = text.read(element)
        else:
            table, offset = _read_binary(data, offset, element, header.order)
        if element.name in names:
            tables[element.name] = table
    return tables


def _read_binary(data: bytes, offset: int, element: Element, order: ByteOrder) -> tuple[Table, int]:
    smallest = sum((prop.count_type or prop.type).itemsize for prop in element.properties)
    _expect_room(element, (len(data) - offset) // smallest if smallest else element.count, "bytes")
    if element.count == 0 or not element.properties:
        return _empty(element), offset
    lengths = _first_lengths(data, offset, element, order)
    record = _record_type(element, lengths, order, len(data))
    if record is not None and element.count * record.itemsize <= len(data) - offset:
        records = np.frombuffer(data, dtype=record, count=element.count, offset=offset)
        if all(bool((records[f"count of {name}"] == length).all()) for name, length in lengths.items()):
            return _columns(element, records, lengths), offset + records.nbytes
    return _read_mixed(data, offset, element, order)


def _expect_room(element: Element, room: int, what: str) -> None:
    if room < element.count:
        raise InputError(
            f"the header announces {element.count} records of {element.name}, but the {what} that follow hold at most {room}", hint=_HINT
        )


def _empty(element: Element) -> Table:
    return {
        prop.name: np.empty(0, prop.type) if prop.count_type is None else Lists(np.empty(0, np.int64), np.empty(0, prop.type))
        for prop in element.properties
    }


def _first_lengths(data: bytes, offset: int, element: Element, order: ByteOrder) -> dict[str, int]:
    """Length of each list of the first record, by name; -1 where it lies past the end of the data."""
    lengths = {}
    for prop in element.properties:
        if prop.count_type is None:
            offset += prop.type.itemsize
            continue
        end = offset + prop.count_type.itemsize
        length = int(np.frombuffer(data[offset:end], prop.count_type.newbyteorder(order))[0]) if end <= len(data) else -1
        lengths[prop.name] = length
        offset = end + max(length, 0) * prop.type.itemsize
    return lengths


def _record_type(element: Element, lengths: dict[str, int], order: ByteOrder, size: int) -> np.dtype | None:
    """The layout of every record if all lists are as long as the first record's; None where that cannot be."""
    fields: list[tuple] = []
    for prop in element.properties:
        kind = prop.type.newbyteorder(order)
        if prop.count_type is None:
            fields.append((prop.name, kind))
            continue
        length = lengths[prop.name]
        if not 0 <= length * prop.type.itemsize <= size:
            return None
        fields += [(f"count of {prop.name}", prop.count_type.newbyteorder(order)), (prop.name, kind, (length,))]
    return np.dtype(fields)


def _columns(element: Element, records: np.ndarray, lengths: dict[str, int]) -> Table:
    table: Table = {}
    for prop in element.properties:
        values = records[prop.name].astype(prop.type)
        if prop.count_type is None:
            table[prop.name] = values
        else:
            table[prop.name] = Lists(np.full(element.count, lengths[prop.name], np.int64), values.reshape(-1))
    return table


def _read_mixed(data: bytes, offset: int, element: Element, order: ByteOrder) -> tuple[Table, int]:
    starts, counts, end = _walk(data, offset, element, order)
    raw = np.frombuffer(data, np.uint8)
    table: Table = {}
    position, column = starts, 0
    for prop in element.properties:
        kind = prop.type.newbyteorder(order)
        if prop.count_type is None:
            table[prop.name] = _gather(raw, position, kind)
            position = position + kind.itemsize
            continue
        lengths = counts[column]
        position = position + prop.count_type.itemsize
        table[prop.name] = Lists(lengths, _gather(raw, _spread(position, lengths, kind.itemsize), kind))
        position, column = position + lengths * kind.itemsize, column + 1
    return table, end


def _spread(first: np.ndarray, lengths: np.ndarray, step: int) -> np.ndarray:  # [N], [N] -> [sum of lengths]
    """The position of every item of lists that begin at ``first``."""
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(first, lengths) + within * step


def _gather(raw: np.ndarray, positions: np.ndarray, kind: np.dtype) -> np.ndarray:  # [bytes], [N] -> [N]
    block = raw[positions[:, None] + np.arange(kind.itemsize)]
    return block.reshape(-1).view(kind).astype(kind.newbyteorder("="))


def _walk(data: bytes, offset: int, element: Element, order: ByteOrder) -> tuple[np.ndarray, list[np.ndarray], int]:
    """Where each record starts [N], how long each of its lists is, and where the table ends."""
    steps, tail = _steps(element, order)
    starts: list[int] = []
    counts: list[list[int]] = [[] for _ in steps]
    try:
        for record in range(element.count):
            starts.append(offset)
            for (skip, unpack, count_size, item_size), column in zip(steps, counts):
                offset += skip
                (length,) = unpack(data, offset)
                if length < 0:
                    raise InputError(f"record {record} of {element.name} has a list of length {length}", hint=_HINT)
                column.append(length)
                offset += count_size + length * item_size
            offset += tail
            if offset > len(data):
                raise struct.error
    except struct.error:
        _expect_room(element, len(starts) - 1, "bytes")
    return np.array(starts), [np.array(column, dtype=np.int64) for column in counts], offset


def _steps(element: Element, order: ByteOrder) -> tuple[list[tuple], int]:
    """For each list: bytes of numbers before it, reader of its length, bytes of the length and of an item; and the bytes after the last."""
    steps, skip = [], 0
    for prop in element.properties:
        if prop.count_type is None:
            skip += prop.type.itemsize
        else:
            unpack = struct.Struct(order + prop.count_type.char).unpack_from
            steps.append((skip, unpack, prop.count_type.itemsize, prop.type.itemsize))
            skip = 0
    return steps, skip


class _Text:
    """The numbers of a text body, handed out table by table."""

    def __init__(self, data: bytes, header: Header) -> None:
        self._body = data[header.body :]
        self._first_line = len(data[: header.body].splitlines()) + 1
        words = self._body.split()
        try:
            # An underscore, which Python allows between digits, makes no number here.
            if words and (max(map(len, words)) > _LONGEST_NUMBER or b"_" in self._body):
                raise ValueError
            self._numbers = np.array(words, dtype=np.bytes_).astype(np.float64) if words else np.empty(0)
        except ValueError:
            raise self._complaint() from None
        self._position = 0

    def read(self, element: Element) -> Table:
        room, width = len(self._numbers) - self._position, len(element.properties)
        _expect_room(element, room // width if width else element.count, "numbers")
        if element.count == 0 or not width:
            return _empty(element)
        starts = self._uniform(element)
        if starts is None:
            starts = self._walk(element)
        table: Table = {}
        for prop, (lengths, first) in zip(element.properties, starts):
            if prop.count_type is None:
                table[prop.name] = _as_type(self._numbers[first], prop, element)
            else:
                table[prop.name] = Lists(lengths, _as_type(self._numbers[_spread(first, lengths, 1)], prop, element))
        return table

    def _uniform(self, element: Element) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """Lengths and first positions of each column if all records are laid out as the first; None if they are not."""
        places, width = [], 0
        for prop in element.properties:
            is_list = prop.count_type is not None
            if self._position + width >= len(self._numbers):
                return None
            length = self._numbers[self._position + width] if is_list else 1
            if not (0 <= length <= len(self._numbers) and length == int(length)):
                return None
            places.append((width, int(length), is_list))
            width += is_list + int(length)
        if element.count * width > len(self._numbers) - self._position:
            return None
        starts = self._position + width * np.arange(element.count)
        if any(bool((self._numbers[starts + place] != length).any()) for place, length, is_list in places if is_list):
            return None
        self._position += element.count * width
        return [(np.full(element.count, length), starts + place + is_list) for place, length, is_list in places]

    def _walk(self, element: Element) -> list[tuple[np.ndarray, np.ndarray]]:
        position, end = self._position, len(self._numbers)
        counts: list[list[int]] = [[] for _ in element.properties]
        first: list[list[int]] = [[] for _ in element.properties]
        for record in range(element.count):
            for column, prop in enumerate(element.properties):
                length = 1
                if prop.count_type is not None and position < end:
                    length = self._length(position, element, record)
                    position += 1
                counts[column].append(length)
                first[column].append(position)
                position += length
            if position > end:
                _expect_room(element, record, "numbers")
        self._position = position
        return [(np.array(length, dtype=np.int64), np.array(place, dtype=np.int64)) for length, place in zip(counts, first)]

    def _length(self, position: int, element: Element, record: int) -> int:
        number = float(self._numbers[position])
        if not (number >= 0 and number.is_integer()):
            raise InputError(f"record {record} of {element.name} has a list of length {number:g}", hint=_HINT)
        return int(number)

    def _complaint(self) -> InputError:
        for number, line in enumerate(self._body.splitlines(), start=self._first_line):
            for word in line.split():
                if not _is_number(word):
                    return InputError(f"line {number} holds {word[:40].decode('latin-1')!r}, expected a number", hint=_HINT)
        return InputError("the body holds something that is no number", hint=_HINT)


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return len(word) <= _LONGEST_NUMBER and b"_" not in word


def _as_type(numbers: np.ndarray, prop: Property, element: Element) -> np.ndarray:
    """Text numbers in the type that the header gives them."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = numbers.astype(prop.type)
        wrong = np.flatnonzero((values != numbers) & (prop.type.kind != "f"))
    if len(wrong):
        raise InputError(f"{prop.name} of {element.name} has the value {numbers[wrong[0]]:g}, which is no {prop.type.name}", hint=_HINT)
    return values
