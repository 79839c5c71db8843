"""Timing by part: what is credited to whom."""

import pytest
from benchmarks import timing
from benchmarks.timing import PartTimer, interleaved


class Work:
    """Methods that take a known time of a clock that nobody else moves."""

    def __init__(self):
        self.now = 0.0

    def outer(self):
        self.now += 1
        self.inner()
        self.now += 2
        self.inner()
        return 'done'

    def inner(self):
        self.now += 5


@pytest.fixture
def work(monkeypatch) -> Work:
    work = Work()
    monkeypatch.setattr(timing, 'clock', lambda: work.now)
    return work


def test_a_part_within_another_counts_for_itself(work):
    with PartTimer() as timer:
        timer.watch(work, 'outer', 'a')
        timer.watch(work, 'inner', 'b')
        assert work.outer() == 'done'
        work.now += 100  # outside of every part
        work.inner()
    assert timer.seconds == dict(a=3, b=15)


def test_methods_are_themselves_again(work):
    with PartTimer() as timer:
        timer.watch(work, 'inner', 'b')
    work.inner()
    assert not timer.seconds and 'inner' not in vars(work)


def test_an_error_ends_a_part(work):
    def fail():
        work.now += 4
        raise KeyError('x')

    work.inner = fail
    with PartTimer() as timer:
        timer.watch(work, 'inner', 'b')
        timer.watch(work, 'outer', 'a')
        with pytest.raises(KeyError):
            work.outer()
        work.now += 9
    assert timer.seconds == dict(a=1, b=4)
    assert work.inner is fail


def test_runs_take_turns_after_one_call_for_nothing():
    order = []
    results = interleaved(
        {name: lambda name=name: order.append(name) or len(order) for name in 'ab'}, 2)
    assert order == ['a', 'b', 'a', 'b', 'a', 'b']
    assert results == dict(a=[3, 5], b=[4, 6])


def test_every_task_has_its_two_functions():
    from importlib import import_module

    from benchmarks import TASKS
    for module in map(import_module, TASKS.values()):
        assert callable(module.add_arguments) and callable(module.run)
