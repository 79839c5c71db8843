"""A worker: one process with one model, which gets tasks and writes parts.

Messages to it are tasks, ``DRAIN`` (finish what was given, write it, say so) and ``STOP`` (finish
the batch, write it, end). From it come pairs of a kind and a content:

====================  ===========================================================================
``'ready'``           the :class:`~.labeller.Facts`
``'took'``            number of a task that it begins
``'reading'``         number of a task, key of an image
``'rows'``            keys and whether they could be read; they are not on the disk yet
``'written'``         numbers of tasks all rows of which are on the disk
``'drained'``         None
``'full'``            why a part cannot be written: nobody can go on
``'failed'``          why it ends
====================  ===========================================================================
"""

import os
import queue
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from expalign.utils.command import show_own_warnings

from .labeller import Builder
from .part_files import ROWS, SECONDS, PartWriter
from .reading import End, Reader
from .run_folder import holding_parts
from .units import Item, Task

DRAIN, STOP = 'drain', 'stop'
ORPHANED = 3  # exit status where the process that gives tasks is gone


@dataclass(frozen=True)
class WorkerPlan:
    """How workers work.

    Args:
        build: makes the labeller.
        folder: of the results.
        batch_size: images of a forward pass.
        threads: of the model on a CPU.
        readers: threads that read images.
        rows, seconds: see :class:`~.part_files.PartWriter`.
    """

    build: Builder
    folder: str
    batch_size: int
    threads: int
    readers: int
    rows: int = ROWS
    seconds: float = SECONDS


def run_worker(pipe: Connection, plan: WorkerPlan, name: str, device: str) -> None:
    """Work until told to stop; the target of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever gives the tasks says when to stop
    show_own_warnings()
    inbox = _Inbox(pipe)
    try:
        with holding_parts(plan.folder):
            labeller = plan.build(device, plan.threads)
            pipe.send(('ready', labeller.facts))
            _Worker(pipe, plan, name, labeller, inbox).run()
    except ConnectionError:
        os._exit(ORPHANED)
    except OSError as error:
        pipe.send(('full' if isinstance(error, _CannotWrite) else 'failed', str(error)))
    except Exception as error:
        expected = isinstance(error, ValueError | RuntimeError)
        pipe.send(('failed', str(error) if expected else traceback.format_exc()))


class _CannotWrite(OSError):
    """A part cannot be written."""


class _Inbox:
    """Messages as they come; the process ends when nobody can send any more."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._queue, self._back = pipe, queue.SimpleQueue(), []
        self.stopped = threading.Event()
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                os._exit(ORPHANED)  # in the middle of anything: parts are complete or not there
            if message == STOP:
                self.stopped.set()
            self._queue.put(message)

    def get(self) -> Task | str:
        """The next message; waits for it."""
        return self._back.pop() if self._back else self._queue.get()

    def put_back(self, message: Task | str) -> None:
        """Make a message the next one."""
        self._back.append(message)


class _Worker:
    def __init__(self, pipe: Connection, plan: WorkerPlan, name: str, labeller, inbox: _Inbox
                 ) -> None:
        self._pipe, self._inbox = pipe, inbox
        self._reader = Reader(labeller, plan.batch_size, plan.readers, inbox.stopped.is_set)
        self._parts = PartWriter(Path(plan.folder) / 'parts', name, plan.rows, plan.seconds)
        self._ended: list[int] = []  # tasks whose rows are not all on the disk

    def run(self) -> None:
        """Take messages until the last."""
        try:
            self._take_messages()
        except Exception:
            with suppress(OSError):  # what is finished need not be done again
                self._parts.flush()
            raise
        self._reader.close()

    def _take_messages(self) -> None:
        while (message := self._inbox.get()) != STOP:
            if message == DRAIN:
                self._flush()
                self._pipe.send(('drained', None))
            elif message.careful:
                self._do_carefully(message)
            else:
                self._do(message)
        self._flush()

    def _do(self, first: Task) -> None:
        """A task, and those that come behind it before anything else does."""
        keys: list[tuple[str, bool]] = []
        for row in self._reader.rows(self._entries(first)):
            if isinstance(row, End):
                self._ended.append(row.task)
                if row.archive:
                    self._parts.add(dict(archive=row.archive))
                continue
            full = self._parts.add(row)
            keys.append((row['image'], 'error' not in row))
            if full or len(keys) >= self._reader.batch_size:
                self._pipe.send(('rows', keys))
                keys = []
            if full:
                self._flush()
        self._pipe.send(('rows', keys))

    def _entries(self, task: Task) -> Iterator[Item | End]:
        while True:
            self._pipe.send(('took', task.number))
            whole = task.unit.keys is None and task.only is None
            for item in task.items():
                if self._inbox.stopped.is_set():
                    return
                whole = whole and item.key != task.unit.name
                self._pipe.send(('reading', (task.number, item.key)))
                yield item
            yield End(task.number, task.unit.name if whole else '')
            message = self._inbox.get()
            if isinstance(message, str) or message.careful:
                self._inbox.put_back(message)
                return
            task = message

    def _do_carefully(self, task: Task) -> None:
        self._pipe.send(('took', task.number))
        for item in task.items():
            if self._inbox.stopped.is_set():
                return
            self._pipe.send(('reading', (task.number, item.key)))
            row = self._reader.row(item)
            self._parts.add(row)
            self._flush()
            self._pipe.send(('rows', [(item.key, 'error' not in row)]))
        self._ended.append(task.number)
        self._flush()

    def _flush(self) -> None:
        try:
            self._parts.flush()
        except OSError as error:
            raise _CannotWrite(f'{error}') from error
        if self._ended:
            self._pipe.send(('written', self._ended))
            self._ended = []
