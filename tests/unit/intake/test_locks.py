"""Locks by key: mutual exclusion, and nothing left behind."""

import asyncio

from fetchbox.intake.locks import KeyedLocks


async def test_holders_of_one_key_wait_for_each_other_and_others_do_not() -> None:
    locks = KeyedLocks()
    inside: list[str] = []
    both, release = asyncio.Event(), asyncio.Event()

    async def hold(key: str, name: str) -> None:
        async with locks.hold(key):
            inside.append(name)
            if len(inside) == 2:
                both.set()
            await release.wait()

    async with asyncio.TaskGroup() as group:
        for key, name in [("k", "first"), ("k", "second"), ("other", "third")]:
            group.create_task(hold(key, name))
        await both.wait()
        assert inside == ["first", "third"]
        assert len(locks) == 2
        release.set()

    assert inside == ["first", "third", "second"]
    assert len(locks) == 0


async def test_lock_is_free_after_a_failure_and_a_cancellation() -> None:
    locks = KeyedLocks()

    async def fail_inside() -> None:
        async with locks.hold("k"):
            raise ValueError

    async def wait_inside() -> None:
        async with locks.hold("k"):
            await asyncio.Event().wait()

    holder, waiter = (asyncio.ensure_future(wait_inside()) for _ in range(2))
    await asyncio.sleep(0)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    (error,) = await asyncio.gather(fail_inside(), return_exceptions=True)

    assert isinstance(error, ValueError)
    async with asyncio.timeout(1), locks.hold("k"):
        assert len(locks) == 1
