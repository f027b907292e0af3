"""The misbehaving origin: finds the behaviour named in the path and writes the journal."""

import asyncio

from mocks.behaviours import BEHAVIOURS, Visit
from mocks.http1 import read_request
from mocks.journal import Journal


class Origin:
    """Serves connections of one listener, plain or TLS."""

    def __init__(self, journal: Journal, role: str = "origin") -> None:
        self._journal = journal
        self._role = role

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve requests until one of them ends the connection."""
        peer = writer.get_extra_info("peername")
        while (request := await read_request(reader)) is not None:
            via = self._journal.tunnels.get(peer[1], "")
            with self._journal.recording(self._role, request, via) as entry:
                _, _, _, behaviour, *args = (*request.path.split("/"), "", "", "", "")
                visit = Visit(
                    request=request,
                    args=tuple(arg for arg in args if arg),
                    entry=entry,
                    journal=self._journal,
                    reader=reader,
                    writer=writer,
                )
                is_reusable = await _perform(behaviour, visit)
            if not is_reusable or request.wants_close:
                return


async def _perform(behaviour: str, visit: Visit) -> bool:
    act = BEHAVIOURS.get(behaviour)
    if act is None or not visit.request.case:
        text = f"no behaviour {behaviour!r}: /c/<case>/ and one of {', '.join(BEHAVIOURS)}\n"
        return await visit.answer(404, text.encode())
    try:
        return await act(visit)
    except (ValueError, IndexError) as error:
        return await visit.answer(400, f"{behaviour}: {error}\n".encode())
