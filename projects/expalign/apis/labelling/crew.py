"""The workers of one machine: they get tasks, are replaced when they die, and lose no image."""

import contextlib
import multiprocessing
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from .labeller import Facts
from .part_files import PartWriter, read_part, worker_name
from .run_folder import PARTS
from .units import Task
from .worker import DRAIN, STOP, WorkerPlan, run_worker

WAITING = 2  # tasks that a worker has and has not begun
LIVES = 2  # workers that an image may end
FRUITLESS = 12  # deaths in a row, no image between them, that end a run
ENDING = 30.0  # seconds for a batch to be finished


@dataclass
class _Worker:
    """A worker as it is seen from here.

    Attributes:
        tasks: those whose rows are not all on the disk, by number.
        unread: how many of them it has not begun.
        reading: images whose rows it has not made, with their tasks.
        drained: whether it has been told that there is nothing more for now, and has said so.
    """

    process: BaseProcess
    pipe: Connection
    name: str
    device: str
    tasks: dict[int, Task] = field(default_factory=dict)
    unread: int = 0
    reading: dict[str, int] = field(default_factory=dict)
    ready: bool = False
    told_to_drain: bool = False
    error: str = ''


def run_crew(plan: WorkerPlan, tasks: Iterator[Task], on_facts: Callable[[Facts], None],
             on_rows: Callable[[int, int], None], devices: list[str]) -> None:
    """Do all tasks on this machine; see :class:`Crew`."""
    Crew(plan, devices, on_facts, on_rows).run(tasks)


class Crew:
    """Runs tasks.

    Args:
        plan: how workers work.
        devices: one for each worker.
        on_facts: is told what labels are found with.
        on_rows: is told how many images got a row, and how many of them could not be read.

    Raises:
        RuntimeError: workers cannot start, or die without ever finishing an image.
        OSError: a part cannot be written.
        KeyboardInterrupt: as it came, when all batches are finished and on the disk.
    """

    def __init__(self, plan: WorkerPlan, devices: list[str], on_facts: Callable[[Facts], None],
                 on_rows: Callable[[int, int], None]) -> None:
        self._plan, self._devices = plan, devices
        self._on_facts, self._on_rows = on_facts, on_rows
        self._context = multiprocessing.get_context('spawn')  # CUDA does not survive a fork
        self._crew: list[_Worker] = []
        self._again: deque[Task] = deque()
        self._deaths: Counter[str] = Counter()
        self._fruitless = 0
        self._numbers = 0

    def run(self, tasks: Iterator[Task]) -> None:
        """Do all tasks; they are asked for as workers need them."""
        try:
            self._run(tasks)
        finally:
            self._end()

    def _run(self, tasks: Iterator[Task]) -> None:
        upcoming = _Upcoming(tasks, self._again)
        while True:
            self._hire(upcoming)
            for worker in self._crew:
                self._give(worker, upcoming)
            if not upcoming.peek() and not any(worker.tasks for worker in self._crew):
                return
            for source in wait([end for worker in self._crew for end in
                                (worker.pipe, worker.process.sentinel)], timeout=1.0):
                worker = next((w for w in self._crew
                               if source in (w.pipe, w.process.sentinel)), None)
                if worker is not None:
                    self._listen(worker)

    def _hire(self, upcoming: '_Upcoming') -> None:
        """Start workers for the devices that have none, as long as there is something to do."""
        missing = Counter(self._devices) - Counter(worker.device for worker in self._crew)
        for device in missing.elements():
            if not upcoming.peek():
                return
            self._crew.append(self._start(device))
            self._give(self._crew[-1], upcoming)

    def _start(self, device: str) -> _Worker:
        here, there = self._context.Pipe()
        name = worker_name()
        process = self._context.Process(
            target=run_worker, args=(there, self._plan, name, device), daemon=True)
        with _ignoring_interrupts():  # which the process takes over from its first moment on
            process.start()
        there.close()
        return _Worker(process, here, name, device)

    def _give(self, worker: _Worker, upcoming: '_Upcoming') -> None:
        while worker.unread < WAITING and (task := upcoming.take()) is not None:
            worker.tasks[task.number] = task
            worker.unread += 1
            worker.told_to_drain = False
            self._send(worker, task)
        if worker.tasks and worker.unread < WAITING and not worker.told_to_drain:
            worker.told_to_drain = True
            self._send(worker, DRAIN)

    @staticmethod
    def _send(worker: _Worker, message: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its end is seen later
            worker.pipe.send(message)

    def _listen(self, worker: _Worker) -> None:
        """Take what a worker has said; if it has ended, take its work back."""
        ended = not worker.process.is_alive()
        for kind, content in _received(worker.pipe):
            if kind is None:
                ended = True
            else:
                self._take(worker, kind, content)
        if ended:
            worker.process.join(ENDING)
            self._crew.remove(worker)
            worker.pipe.close()
            self._recover(worker)

    def _take(self, worker: _Worker, kind: str, content: Any) -> None:
        if kind == 'ready':
            worker.ready = True
            self._on_facts(content)
        elif kind == 'took':
            worker.unread -= 1
        elif kind == 'reading':
            number, key = content
            worker.reading[key] = number
        elif kind == 'rows':
            for key, _ in content:
                worker.reading.pop(key, None)
            self._fruitless = 0 if content else self._fruitless
            self._on_rows(len(content), sum(not good for _, good in content))
        elif kind == 'written':
            for number in content:
                worker.tasks.pop(number, None)
        elif kind == 'full':
            raise OSError(f'labels cannot be written: {content}. What is written stays: make room '
                          'and run the same command again')
        elif kind == 'failed':
            worker.error = content

    def _recover(self, worker: _Worker) -> None:
        """Give the work of a worker that has ended to others, without what it has written."""
        if not worker.ready and worker.error:
            raise RuntimeError(worker.error)
        self._fruitless += 1
        why = worker.error or _exit_reason(worker.process.exitcode)
        if self._fruitless >= FRUITLESS:
            raise RuntimeError(f'{FRUITLESS} workers have ended one after another without '
                               f'finishing an image; the last one: {why}')
        written = self._written_by(worker.name)
        # Rows that were made and not written are made anew.
        suspects = {key: number for key, number in worker.reading.items() if key not in written}
        for key in suspects:
            self._deaths[key] += 1
        condemned = {key for key in suspects if self._deaths[key] >= LIVES}
        self._condemn(condemned, why)
        for task in worker.tasks.values():
            mine = {key for key, number in suspects.items() if number == task.number}
            self._requeue(task, written, mine, condemned)

    def _requeue(self, task: Task, written: set[str], suspects: set[str], condemned: set[str]
                 ) -> None:
        for key in sorted(suspects - condemned):
            self._numbers += 1
            self._again.append(Task(-self._numbers, task.unit, only=frozenset([key]), careful=True))
        keys = task.unit.keys if task.only is None else task.only
        done = written if keys is None else written.intersection(keys)
        skip = task.skip | done | suspects
        if keys is None or set(keys) - skip:
            self._numbers += 1
            self._again.append(Task(
                -self._numbers, task.unit, frozenset(skip), task.only, task.careful))

    def _condemn(self, keys: set[str], why: str) -> None:
        """A row, with the reason, for images that no worker survives."""
        if keys:
            writer = PartWriter(Path(self._plan.folder) / PARTS, worker_name())
            for key in sorted(keys):
                writer.add(dict(image=key, error=f'it ended {LIVES} workers; the last one: {why}'))
            writer.flush()
            self._on_rows(len(keys), len(keys))

    def _written_by(self, name: str) -> set[str]:
        """Images that a worker has written rows of."""
        parts = (Path(self._plan.folder) / PARTS).glob(f'{name}-*.jsonl')
        return {line.row['image'] for part in parts for line in read_part(part)
                if line.row is not None and 'image' in line.row}

    def _end(self) -> None:
        """Let workers finish their batches and write them; nobody goes on after this."""
        for worker in self._crew:
            self._send(worker, STOP)
        for worker in self._crew:
            with contextlib.suppress(EOFError, OSError):
                while worker.pipe.poll(ENDING):  # or its messages fill the pipe, and it waits
                    kind, content = worker.pipe.recv()
                    if kind == 'rows':
                        self._on_rows(len(content), sum(not good for _, good in content))
            worker.process.join(1.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
        self._crew.clear()


def _received(pipe: Connection) -> Iterator[tuple[str | None, Any]]:
    """What has come; (None, None) where no more can come."""
    while True:
        try:
            if not pipe.poll():
                return
            message = pipe.recv()
        except (EOFError, OSError):
            yield None, None
            return
        yield message


class _Upcoming:
    """The next task: one that has to be done again, else a new one."""

    def __init__(self, tasks: Iterator[Task], again: deque[Task]) -> None:
        self._tasks, self._again = tasks, again
        self._next: Task | None = None

    def peek(self) -> bool:
        """Whether there is one."""
        if self._again or self._next is not None:
            return True
        self._next = next(self._tasks, None)
        return self._next is not None

    def take(self) -> Task | None:
        """It, or None."""
        if not self.peek():
            return None
        if self._again:
            return self._again.popleft()
        task, self._next = self._next, None
        return task


def _exit_reason(status: int | None) -> str:
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f'it was ended by {signal.Signals(-status).name}'
    return f'it ended with status {status}'


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
