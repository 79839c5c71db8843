"""Many machines, by Ray Data: actors with one model each, which Ray places and replaces.

The folder of the results has to be one that all machines see under the same path, and so have
sources that are paths. Where Ray repeats a task, what was written is not done again.
"""

import contextlib
import logging
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .attempts import FOLDER, Attempt
from .devices import CORES
from .labeller import Facts
from .part_files import PartWriter, worker_name
from .reading import End, Reader
from .run_folder import PARTS, holding_parts
from .units import Item, Task
from .worker import WorkerPlan

STORE_BYTES = 100 * 2**20  # Ray's store of objects: tasks and counts, no images


def run_on_ray(plan: WorkerPlan, tasks: Iterator[Task], on_facts: Callable[[Facts], None],
               on_rows: Callable[[int, int], None], address: str | None = None,
               workers: int | None = None) -> None:
    """Do all tasks; see :class:`~.crew.Crew` for the functions.

    Args:
        address: of a Ray cluster, such as ``'auto'``; None: Ray is started on this machine.
        workers: actors; None: one for each GPU of the cluster, else one for every two cores.

    Raises:
        ValueError: Ray is not installed.
        RuntimeError: a model cannot be had, or a part cannot be written.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ValueError('--engine ray needs Ray: pip install "expalign[ray]"') from error
    items = [dict(task=pickle.dumps(task)) for task in tasks]
    if not items:
        return
    shutil.rmtree(Path(plan.folder) / PARTS / FOLDER, ignore_errors=True)  # of an earlier run
    with _cluster(ray, address, workers):
        gpus = ray.cluster_resources().get('GPU', 0)
        count = workers or max(1, int(gpus or ray.cluster_resources()['CPU'] // CORES))
        where = dict(num_gpus=1) if gpus else dict(num_cpus=1)
        results = ray.data.from_items(items).map_batches(
            _Actor, fn_constructor_args=(plan, 'cuda' if gpus else 'cpu', worker_name()),
            batch_size=1, compute=ray.data.ActorPoolStrategy(size=min(count, len(items))), **where)
        try:
            for row in results.iter_rows():
                on_facts(Facts(**pickle.loads(row['facts'])))
                on_rows(int(row['images']), int(row['damaged']))
        except (ray.exceptions.RayError, ray.exceptions.UserCodeException) as error:
            raise RuntimeError(_told(error)) from error
    shutil.rmtree(Path(plan.folder) / PARTS / FOLDER, ignore_errors=True)


@contextlib.contextmanager
def _cluster(ray: Any, address: str | None, workers: int | None) -> Iterator[None]:
    """Ray for the time of the block, quiet; one that runs in this process already stays."""
    logging.getLogger('ray.data').setLevel(logging.WARNING)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    if ray.is_initialized():
        yield
        return
    local = dict(num_cpus=workers, object_store_memory=STORE_BYTES, include_dashboard=False)
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR,
             **(local if address in (None, 'local') else {}))
    try:
        yield
    finally:
        ray.shutdown()


def _told(error: BaseException) -> str:
    """What was raised in an actor, without Ray's own story around it."""
    while (inner := getattr(error, 'cause', None) or error.__cause__) is not None:
        error = inner
    return str(error)


class _Actor:
    """A process with a model; called with one task at a time."""

    def __init__(self, plan: WorkerPlan, device: str, run: str) -> None:
        self._held = contextlib.ExitStack()
        self._held.enter_context(holding_parts(plan.folder))
        self._plan, self._run = plan, run
        self._labeller = plan.build(device, plan.threads)
        self._reader = Reader(self._labeller, plan.batch_size, plan.readers)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list]:
        """Do a task, or what earlier tries have left of it."""
        task = pickle.loads(bytes(batch['task'][0]))
        parts = Path(self._plan.folder) / PARTS
        attempt = Attempt(parts, task, self._run)
        while attempt.result is None:
            try:
                self._do(task, attempt, parts)
            except OSError:
                raise
            except Exception:
                if attempt.number:
                    raise
            attempt = Attempt(parts, task, self._run)
        facts = pickle.dumps(self._labeller.facts._asdict())
        return dict(images=[attempt.result['images']], damaged=[attempt.result['damaged']],
                    facts=[facts])

    def _do(self, task: Task, attempt: Attempt, parts: Path) -> None:
        writer = PartWriter(parts, attempt.name, self._plan.rows, self._plan.seconds)
        done = attempt.written()
        images, damaged, whole = len(done), 0, task.unit.keys is None and task.only is None
        items = (item for item in task.items() if item.key not in done)
        for row in self._rows(items, attempt):
            images += 1
            damaged += 'error' in row
            whole = whole and row['image'] != task.unit.name
            if writer.add(row) or attempt.number:
                writer.flush()
        if whole:
            writer.add(dict(archive=task.unit.name))
        writer.flush()
        attempt.finish(dict(images=images, damaged=damaged))

    def _rows(self, items: Iterator[Item], attempt: Attempt) -> Iterator[dict[str, Any]]:
        """Rows in batches; after a death one at a time, without those that were its cause."""
        if not attempt.number:
            yield from (row for row in self._reader.rows(items) if not isinstance(row, End))
            return
        victims = attempt.victims()
        for item in items:
            if item.key in victims:
                yield dict(image=item.key, error='it ended two workers')
                continue
            attempt.at(item.key)
            try:
                yield self._reader.row(item)
            except RuntimeError as error:
                yield dict(image=item.key, error=f'it failed in two workers: {error}')
