"""Label many images: the way in."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from expalign.structures.thresholds import SCORE_THR, ScoreThr
from expalign.utils import unwinding_at_termination
from expalign.utils.keywords import check_keywords
from expalign.utils.tally import Tally

from .assemble import DAMAGED, Summary, assemble, check_formats
from .crew import run_crew
from .devices import BATCH, batch_for, plan_devices
from .labeller import Builder, ModelBuilder
from .part_index import PartIndex, part_index
from .ray_engine import run_on_ray
from .run_folder import RunFolder, run_folder
from .sources import Sources
from .units import MARK, Task
from .worker import WorkerPlan

KEYWORDS = ('sources', 'texts', 'out', 'formats', 'model', 'weights', 'score_thr', 'device',
            'workers', 'batch_size', 'retry', 'cfg_options', 'engine', 'ray_address')
ENGINES = ('local', 'ray')
SHORT, LONG = 0.5, 10.0  # seconds between changes of the bar on a screen and in a file


def label(
    sources: Any, texts: Any = None, out: str | Path = 'outputs/labels',
    formats: Sequence[str] = ('coco',), model: str | Path | None = None, *,
    weights: str | Path | None = None, score_thr: ScoreThr = SCORE_THR, device: str | None = None,
    workers: int | None = None, batch_size: int | None = None, retry: bool = False,
    cfg_options: dict[str, Any] | None = None, engine: str = 'local',
    ray_address: str | None = None, **wrong: Any,
) -> Summary:
    """Search many images for what words name, and write labels.

    Where it was interrupted, the same call goes on; where everything is done, it only writes the
    forms. It starts processes: a script that calls it needs ``if __name__ == '__main__':``.

    Args:
        sources: one or a list of what :class:`~.sources.Sources` takes.
        texts: the prompts, see :func:`~expalign.apis.texts.read_vocabulary`; None: the model's own
            classes.
        out: folder of the results; it belongs to these settings.
        formats: of :data:`~expalign.data_tools.label_writers.FORMATS`.
        model, weights, cfg_options: see :class:`~expalign.apis.inferencer.ExpAlignInferencer`.
        score_thr: lowest score of a label.
        device: ``'cpu'``, ``'cuda:0'``, ...; by default all GPUs, else the processor.
        workers: processes; by default one a GPU, or what the processor has cores for.
        batch_size: images of a forward pass; by default 2 on a processor, 16 on a GPU.
        retry: try images again that could not be read.
        engine: one of ``ENGINES``; ``'ray'``: see :mod:`.ray_engine`, ``workers`` are actors.
        ray_address: of a Ray cluster; None: this machine.

    Raises:
        ValueError, OSError, RuntimeError: a source, a text, a model or the folder cannot be used.
        KeyboardInterrupt: as it came, when what was begun is written.
    """
    from expalign.apis.texts import read_vocabulary
    from expalign.checkpoints.trust import checkpoints_are_trusted
    from expalign.structures.prompts import distinct_prompts
    check_keywords('label', wrong, KEYWORDS)
    prompts = None if texts is None else tuple(distinct_prompts(read_vocabulary(texts)))
    build = ModelBuilder(*(None if part is None else str(part) for part in (model, weights)),
                         prompts, score_thr, cfg_options or {}, checkpoints_are_trusted())
    if engine not in ENGINES:
        raise ValueError(f'there is no engine {engine!r}; known are {", ".join(ENGINES)}')
    many = [sources] if isinstance(sources, str | Path) else list(sources)
    if engine == 'ray':
        work = partial(run_on_ray, address=ray_address, workers=workers)
        return run(many, build, build.settings(), out, formats, work, batch_size or BATCH[1],
                   retry=retry)
    devices, threads, readers = plan_devices(device, workers)
    return run(many, build, build.settings(), out, formats, partial(run_crew, devices=devices),
               batch_size or batch_for(devices[0]), threads, readers, retry)


def run(
    sources: Sequence[str | Path], build: Builder, settings: dict[str, Any], out: str | Path,
    formats: Sequence[str], work: Callable[..., None], batch_size: int = 8, threads: int = 1,
    readers: int = 2, retry: bool = False, **limits: Any,
) -> Summary:
    """Label with any :class:`~.labeller.Labeller`; see :func:`label`.

    Args:
        build: makes the labeller in each worker.
        settings: what labels depend on.
        work: does tasks, as :func:`~.crew.run_crew` and :func:`~.ray_engine.run_on_ray` do.
        threads, readers, limits: see :class:`~.worker.WorkerPlan`.
    """
    out = Path(out)
    found = Sources(sources, out)
    check_formats(formats, settings.get('prompts'))
    with unwinding_at_termination(), run_folder(
            out, dict(source=found.names, **settings), [*formats, DAMAGED]) as folder, \
            part_index(folder.parts, retry) as index:
        plan = WorkerPlan(build, os.path.abspath(out), batch_size, threads, readers, **limits)
        _search(found, folder, index, plan, work)
        facts = folder.facts
        if facts is None:
            raise ValueError(f'there is no image in {", ".join(map(str, sources))}')
        check_formats(formats, facts.prompts)
        folder.note_made([*formats, DAMAGED])
        return assemble(index, out, formats, facts, found.folders)


def _search(sources: Sources, folder: RunFolder, index: PartIndex, plan: WorkerPlan,
            work: Callable[..., None]) -> None:
    """Do what has not been done."""
    tally, done = Tally(), index.counts()
    if done[0]:
        print(f'{done[0]:,} images are done; this run goes on', file=sys.stderr)
    bar = tqdm(unit='image', initial=done[0], mininterval=SHORT if sys.stderr.isatty() else LONG)
    with bar:
        threading.Thread(target=_set_total, args=(sources, bar), daemon=True).start()
        damaged = [done[1]]

        def advance(images: int, unreadable: int) -> None:
            damaged[0] += unreadable
            bar.set_postfix(damaged=damaged[0], refresh=False)
            bar.update(images)

        work(plan, _tasks(sources, index, tally), folder.note_facts, advance)
    if tally:
        print(tally.report('not labelled:'), file=sys.stderr)


def _set_total(sources: Sources, bar: tqdm) -> None:
    """Tell the bar how much there is, where names and heads alone say it."""
    try:
        bar.total = sources.count()
    except (OSError, ValueError):  # the search itself meets it, too
        return


def _tasks(sources: Sources, index: PartIndex, tally: Tally) -> Iterator[Task]:
    """What has not been done yet, as tasks."""
    opened = set()
    for number, unit in enumerate(sources.units(tally)):
        if unit.keys is None:
            if unit.name not in opened and not index.is_whole(unit.name):
                opened.add(unit.name)
                yield Task(number, unit, index.below(unit.name + MARK))
            continue
        free = frozenset(index.claim(unit.keys))
        if len(free) == len(unit.keys):
            yield Task(number, unit)
        elif free:
            yield Task(number, unit, only=free)


