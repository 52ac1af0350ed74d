"""Work on a stream in a few threads, in order and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def map_in_order(function: Callable[[Item], Answer], items: Iterable[Item], *, workers: int) -> Iterator[Answer]:
    """Yield ``function(item)`` in the order of ``items``, computed by ``workers`` threads.

    Items are drawn by the calling thread, so a decoder need not be safe to share; at most ``2 * workers`` of them are in flight.
    The first exception ends the stream; what is running is waited for.
    """
    pending: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
