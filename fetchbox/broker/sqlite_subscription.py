"""One member of a consumer group on SQLite: what it may read, what it has read, what it stored.

All state lives on the event loop; the database is only reached through operations. A partition to
be given back gets nothing new and goes when what is open has been settled, or when nothing of it
was settled for a whole lease.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest

import apsw

from fetchbox.broker.port import BrokerUnavailableError, Message
from fetchbox.broker.rounds import Rounds
from fetchbox.broker.sqlite_groups import Commit, Grant, Member, Standing
from fetchbox.broker.sqlite_log import Stretch, read_stretches
from fetchbox.broker.watermark import Watermark
from fetchbox.model.clock import Clock
from fetchbox.sqlite.transactions import Transactions

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How far a member reads ahead and how often it acts unasked."""

    window: int
    lease_ms: int
    poll_interval_ms: int


@dataclass(slots=True)
class Claim:
    """A partition this member owns. `sent` is the last offset handed to the database."""

    grant: Grant
    watermark: Watermark
    sent: int
    moved_at_ms: int
    is_leaving: bool = False

    @property
    def is_behind(self) -> bool:
        """There is something to commit."""
        return self.watermark.committable > self.sent


class SqliteSubscription:
    """Implements `port.Subscription`."""

    def __init__(
        self, member: Member, pace: Pace, *, reads: Transactions, writes: Transactions, clock: Clock
    ) -> None:
        """Hold nothing until `join`."""
        self.member = member
        self._pace = pace
        self._reads = reads
        self._writes = writes
        self._clock = clock
        self._claims: dict[int, Claim] = {}
        self._stirred = asyncio.Event()
        self._commits = Rounds(self._start_commit, self._end_commit)
        self._beats = Rounds(self._start_beat, self._end_beat)
        self._timer: asyncio.TimerHandle | None = None
        self._is_gone = False

    async def join(self) -> None:
        """Become a member and take the partitions that are free."""
        await asyncio.shield(self._beats.join())

    async def leave(self) -> None:
        """Give everything back at once; lease expiry does it when the database is unavailable."""
        try:
            await asyncio.shield(self._commits.join())  # whoever is settling now is answered
            self.abandon()
            await asyncio.shield(self._writes.submit(self.member.leave))
        except BrokerUnavailableError as error:
            _log.warning("left a group without a word", extra={"reason": str(error)})
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Stop renewing the lease."""
        self._is_gone = True
        self._claims.clear()
        if self._timer is not None:
            self._timer.cancel()

    def stir(self) -> None:
        """Have `next` look for messages now."""
        self._stirred.set()

    def reconsider(self) -> None:
        """Look at the standing in the group now."""
        if not self._is_gone:
            self._beats.join()

    async def next(self) -> Sequence[Message]:
        """See `port.Subscription.next`."""
        while True:
            self._stirred.clear()
            if messages := await self._read():
                return messages
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.poll_interval_ms / 1000):
                    await self._stirred.wait()

    async def settle(self, messages: Sequence[Message]) -> None:
        """See `port.Subscription.settle`."""
        offsets: dict[int, list[int]] = {}
        for message in messages:
            offsets.setdefault(message.partition, []).append(message.offset)
        now_ms = self._clock()
        for number, settled in offsets.items():
            if claim := self._claims.get(number):
                claim.watermark.settle(settled)
                claim.moved_at_ms = now_ms
        if any(claim.is_behind for claim in self._claims.values()):
            self._stirred.set()
            await asyncio.shield(self._commits.join())

    # Reading.

    async def _read(self) -> Sequence[Message]:
        claims = [claim for claim in self._claims.values() if self._room(claim) > 0]
        if not claims:
            return []
        stretches = [
            Stretch(claim.grant.partition, claim.watermark.next, self._room(claim))
            for claim in claims
        ]
        read = partial(_read_stretches, stretches=stretches)
        found = await self._reads.submit(read)
        runs = [
            self._deliver(claim, rows)
            for claim, rows in zip(claims, found, strict=True)
            if rows and self._claims.get(claim.grant.number) is claim and not claim.is_leaving
        ]
        return list(_interleaved(runs))

    def _room(self, claim: Claim) -> int:
        return 0 if claim.is_leaving else claim.watermark.room(self._pace.window)

    def _deliver(self, claim: Claim, rows: Sequence[tuple[int, bytes]]) -> list[Message]:
        claim.watermark.deliver(offset for offset, _ in rows)
        number = claim.grant.number
        return [Message(number, offset, payload) for offset, payload in rows]

    # Committing.

    def _take_commits(self) -> list[Commit]:
        behind = [claim for claim in self._claims.values() if claim.is_behind]
        for claim in behind:
            claim.sent = claim.watermark.committable
        return [Commit(claim.grant.partition, claim.grant.epoch, claim.sent) for claim in behind]

    def _start_commit(self) -> asyncio.Future[None]:
        commits = self._take_commits()

        def commit(connection: apsw.Connection, _signals: set[bytes]) -> None:
            self.member.commit(connection, commits)

        return self._writes.submit(commit)

    def _end_commit(self, done: asyncio.Future[None]) -> None:
        if done.exception() is not None:
            self._forget_sent()
        elif any(self._is_returnable(claim) for claim in self._claims.values()):
            self.reconsider()

    def _forget_sent(self) -> None:
        """Commit again what may not have been stored."""
        for claim in self._claims.values():
            claim.sent = claim.grant.committed

    # Membership.

    def _is_returnable(self, claim: Claim) -> bool:
        if not claim.is_leaving:
            return False
        is_stuck = self._clock() - claim.moved_at_ms >= self._pace.lease_ms
        return is_stuck or (claim.watermark.open == 0 and not claim.is_behind)

    def _start_beat(self) -> asyncio.Future[Standing]:
        commits = self._take_commits()
        returned = [claim for claim in self._claims.values() if self._is_returnable(claim)]
        for claim in returned:
            del self._claims[claim.grant.number]

        def beat(connection: apsw.Connection, signals: set[bytes]) -> Standing:
            if self._is_gone:  # a beat behind the farewell would revive the member
                return Standing((), 0)
            self.member.commit(connection, commits)
            self.member.release(connection, [each.grant.partition for each in returned], signals)
            return self.member.beat(
                connection, signals, now_ms=self._clock(), lease_ms=self._pace.lease_ms
            )

        return self._writes.submit(beat)

    def _end_beat(self, done: asyncio.Future[Standing]) -> None:
        if self._is_gone:
            return
        if (error := done.exception()) is None:
            self._adopt(done.result())
        else:
            self._forget_sent()
            _log.warning("broker heartbeat failed", extra={"reason": str(error)})
        if self._timer is not None:
            self._timer.cancel()
        delay_s = self._pace.lease_ms / 3000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self.reconsider)

    def _adopt(self, standing: Standing) -> None:
        now_ms = self._clock()
        former, self._claims = self._claims, {}
        for grant in standing.grants:
            claim = former.get(grant.number)
            if claim is None or claim.grant.epoch != grant.epoch:
                claim = Claim(grant, Watermark(grant.committed), grant.committed, now_ms)
            self._claims[grant.number] = claim
        if former.keys() != self._claims.keys():
            extra = {"topic": self.member.topic, "partitions": sorted(self._claims)}
            _log.info("partitions assigned", extra=extra)
        self._choose_leaving(standing.surplus, now_ms)
        self._stirred.set()

    def _choose_leaving(self, surplus: int, now_ms: int) -> None:
        """Give back those already leaving, then those with least to wait for."""
        ranked = sorted(
            self._claims.values(), key=lambda claim: (not claim.is_leaving, claim.watermark.open)
        )
        for rank, claim in enumerate(ranked):
            if rank < surplus and not claim.is_leaving:
                claim.moved_at_ms = now_ms
            claim.is_leaving = rank < surplus
        if any(self._is_returnable(claim) for claim in ranked[:surplus]):
            self.reconsider()


def _read_stretches(
    connection: apsw.Connection, _signals: set[bytes], *, stretches: Sequence[Stretch]
) -> list[list[tuple[int, bytes]]]:
    return read_stretches(connection, stretches)


def _interleaved(runs: Sequence[Sequence[Message]]) -> Iterator[Message]:
    """Take turns between partitions, so that a long job does not hold up a short one."""
    return (message for message in chain.from_iterable(zip_longest(*runs)) if message is not None)
