"""From a folder of labelled photographs to a detector that is measured: ``expalign train DATA``.

Each step is a function of this package, and a command of its own.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from mmengine.config import Config

from expalign.apis.preflight import preflight
from expalign.data_tools.own_data import recognise
from expalign.engine.launch import build_runner
from expalign.utils import finished_file, unwinding_at_termination
from expalign.utils.load_config import load_config
from expalign.utils.quiet_output import output_to
from expalign.utils.run_lock import run_lock

from .config_file import RunSettings, check_choices, config_text, settings_for
from .measure import Measured, measure
from .modes import DEFAULT_MODE, DEFAULT_MODEL
from .prepare import Prepared, prepare
from .results import TrainedOwn, best_weights, write_results

CONFIG, PLAN, CHECK, REPORT = 'config.py', 'plan.json', 'check.txt', 'report.html'
OUTPUT = 'output.txt'  # in the work folder, of libraries
MAX_CLASSES = 20  # of the lists on the screen


class RunExists(ValueError):
    """The folder for the results has those of another run, or of this one, complete."""


@dataclass(frozen=True)
class Folders:
    """Where a run puts what it makes."""

    out: Path

    @property
    def data(self) -> Path:
        """What the recipes read."""
        return self.out / 'data'

    @property
    def work(self) -> Path:
        """The work folder of the training."""
        return self.out / 'training'


def train_own_data(
    data: str | Path, out: str | Path | None = None, model: str = DEFAULT_MODEL,
    mode: str = DEFAULT_MODE, epochs: int | None = None, imgsz: int | None = None,
    batch: int | None = None, seed: int = 0, say: Callable[[str], None] | None = None,
) -> TrainedOwn:
    """Recognise, check, split, measure, train, measure again, report.

    A run that was interrupted goes on where it was when it is asked for again.

    Args:
        data: a folder, a file or an archive of labelled images, see
            :func:`~expalign.data_tools.own_data.recognise`.
        out: folder for everything that is written; by default ``trained/DATA_MODE``.
        model, mode, epochs, imgsz, batch, seed: see
            :func:`~expalign.apis.own_data.config_file.settings_for`.
        say: takes what is said on the way, a line or several; by default it is printed.

    Raises:
        RunExists: ``out`` has another run, or one that is complete.
        FileNotFoundError, ValueError: the data cannot be used, or a setting is none.
        PreflightError: the training would fail, as for want of disk or memory.
    """
    say = say or partial(print, file=sys.stdout, flush=True)
    folders = Folders(Path(out or Path('trained', f'{_plain_name(data)}_{mode}')))
    check_choices(model, mode, imgsz)
    own = recognise(data, folders.out / 'converted')
    say(own.said)
    with unwinding_at_termination(), run_lock(folders.out, '--out'):
        prepared = prepare(own.splits, own.classes, folders.data)
        settings = settings_for(prepared, model, mode, epochs, imgsz, batch, seed)
        _claim(folders, dict(data=os.path.abspath(data), settings=asdict(settings)))
        report = '\n\n'.join(filter(None, [own.report, prepared.report]))
        _write(folders.out / CHECK, report + '\n')
        _write(folders.out / CONFIG, config_text(prepared, settings))
        say(_described(prepared, settings, folders))
        cfg = load_config(folders.out / CONFIG)
        cfg.work_dir = str(folders.work)
        preflight(cfg).raise_faults()
        # Logs of mmengine, tables of pycocotools; progress is on the error stream.
        with output_to(folders.work / OUTPUT):
            before = measure(cfg, cfg.load_from, folders.work / 'test')
            say(f'before training: {_figures(before)}')
            _train(cfg, folders.work)
            after = measure(cfg, best_weights(folders.work), folders.work / 'test')
            say(f'after training: {_figures(after)}')
        result = write_results(
            folders.out, folders.work, data, own.said, prepared, settings, before, after)
    say(result.summary)
    return result


def _train(cfg: Config, work: Path) -> None:
    """What ``tools/train.py`` does with the config; it goes on where a run was."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.update(work_dir=str(work), resume='auto', log_level='WARNING')
    cfg.visualizer.name = f'training {work}'
    build_runner(cfg).train()


def _claim(folders: Folders, plan: dict) -> None:
    """Note what a run in the folder does, or compare it with what was noted."""
    path = folders.out / PLAN
    if path.is_file():
        known = json.loads(path.read_text(encoding='utf-8'))
        if known != plan:
            raise RunExists(f'{folders.out} has a run of {known["data"]} with other settings '
                            f'({known["settings"]}): give another folder with --out')
        if (folders.out / REPORT).is_file():
            raise RunExists(f'this is trained already: see {folders.out / REPORT}; to train it '
                            'anew give another folder with --out')
    _write(path, json.dumps(plan, indent=1) + '\n')


def _write(path: Path, text: str) -> None:
    with finished_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8', errors='backslashreplace')


def _described(prepared: Prepared, settings: RunSettings, folders: Folders) -> str:
    """What there is and what will be done, for a terminal."""
    lines = [f'{"train":>9} {"validate":>9} class, which is the prompt']
    rows = list(zip(prepared.boxes['train'], prepared.boxes['val'], prepared.classes, strict=True))
    lines += [f'{train:>9,} {val:>9,} {name}' for train, val, name in rows[:MAX_CLASSES]]
    if len(rows) > MAX_CLASSES:
        lines.append(f'{"...":>9} {"...":>9} {len(rows) - MAX_CLASSES} more')
    found = f'{prepared.problems} problems' if prepared.problems else 'no problems'
    lines += [
        f'check: {found}; what was left out or repaired, and the sizes of boxes, are in '
        f'{folders.out / CHECK}',
        f'{prepared.images["train"]} images to train on, {prepared.images["val"]} to validate '
        f'with: {prepared.how_split}',
        f'{"boxes and masks" if prepared.masks else "boxes"}; classes '
        f'{"exclude" if prepared.exclusive else "do not exclude"} one another',
        f'{settings.mode} of {settings.model}: {settings.epochs} epochs, {settings.imgsz} px, '
        f'{settings.batch} images a step; config {folders.out / CONFIG}']
    return '\n'.join(lines)


def _plain_name(data: str | Path) -> str:
    path = Path(os.path.abspath(data))  # a folder may be called cups.v3i.coco
    return path.name if path.is_dir() else path.stem


def _figures(measured: Measured) -> str:
    masks = '' if measured.mask_ap is None else f', masks AP {measured.mask_ap:.3f}'
    return f'boxes AP {measured.ap:.3f}, AP50 {measured.ap50:.3f}{masks}'
