"""The end of a run on own data: weights that know their classes, figures, a page."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from expalign.checkpoints.trained_part import with_known_classes
from expalign.evaluation.found_and_true import (
    FoundAndTrue,
    Threshold,
    best_thresholds,
    confusion_matrix,
    mistakes_of,
)
from expalign.structures.exclusive_boxes import exclusive_boxes
from expalign.structures.known_classes import KnownClasses
from expalign.structures.thresholds import thresholds_of
from expalign.utils import finished_file

from .config_file import IMGSZ, RunSettings
from .measure import Measured
from .modes import DEFAULT_MODEL
from .prepare import Prepared
from .report_page import ClassRow, Report, number, write_page

NMS = 0.7  # IoU from which boxes of classes that exclude one another suppress each other
BEST, LAST = 'best.safetensors', 'last.safetensors'
KEEP_BOXES = ('tune', 'adapter')  # modes that leave the boxes as they are


@dataclass(frozen=True)
class TrainedOwn:
    """What a run made.

    Attributes:
        weights: the best ones; a model by themselves.
        report: the page.
        metrics: the figures as JSON.
        summary: for a terminal.
    """

    weights: Path
    report: Path
    metrics: Path
    summary: str


def best_weights(work: Path) -> Path:
    """The best weights of a training; the last ones where none could be told."""
    return work / BEST if (work / BEST).is_file() else work / LAST


def write_results(
    out: Path, work: Path, data: str | Path, said: str, prepared: Prepared,
    settings: RunSettings, before: Measured, after: Measured,
) -> TrainedOwn:
    """Write weights with their classes, ``metrics.json`` and ``report.html``.

    What only served to resume the training is removed at the end.

    Args:
        out: folder of the results.
        work: work folder of the training.
        data: what was trained on.
        said: what the data was recognised as.
        before, after: of the validation images.
    """
    images = [without_others(image) if prepared.exclusive else image for image in after.images]
    thresholds = best_thresholds(images, len(prepared.classes))
    known = KnownClasses(
        prepared.classes, tuple(row.score for row in thresholds), prepared.exclusive)
    _place_weights(work, out, known)
    limits = np.array(thresholds_of(prepared.classes, known=known))
    drawn = [image.above(limits) for image in images]
    rows = [ClassRow(name, trained, old.ap, new.ap, row) for name, trained, old, new, row in zip(
        prepared.classes, prepared.boxes['train'], before.by_class, after.by_class, thresholds,
        strict=True)]
    cost = _cost(work)
    commands = _commands(out, data, prepared, settings)
    report = Report(
        f'{settings.mode} of {settings.model} on {said.partition(":")[0]} data',
        _facts(said, prepared, settings, before, after, cost), rows,
        confusion_matrix(drawn, len(prepared.classes)),
        sorted(map(mistakes_of, drawn), key=lambda found: -found.weight), cost, prepared.report,
        commands)
    write_page(report, out / 'report.html')
    _write_metrics(out / 'metrics.json', prepared, settings, before, after, rows, cost)
    for path in (*work.glob('epoch_*.pth'), work / 'last_checkpoint'):
        path.unlink(missing_ok=True)
    return TrainedOwn(out / BEST, out / 'report.html', out / 'metrics.json',
                      _summary(rows, before, after, cost, commands, out))


def without_others(image: FoundAndTrue) -> FoundAndTrue:
    """The image with the best box of each place, whatever its class."""
    keep = exclusive_boxes(image.boxes, NMS)
    return replace(image, boxes=image.boxes[keep], scores=image.scores[keep],
                   labels=image.labels[keep])


def _place_weights(work: Path, out: Path, known: KnownClasses) -> None:
    """Move the files of the trained part to the results, with their classes."""
    if not (work / BEST).is_file():
        (work / BEST).write_bytes((work / LAST).read_bytes())
    for name in (BEST, LAST):
        with_known_classes(work / name, known)
        (work / name).replace(out / name)


def _cost(work: Path) -> list[tuple[str, float, float]]:
    """Metric, before and after, of the zero-shot report."""
    path = work / 'zero_shot_report.json'
    if not path.is_file():
        return []
    report = json.loads(path.read_text(encoding='utf-8'))
    names = {'coco/bbox_mAP': 'AP of boxes', 'coco/bbox_mAP_50': 'AP50 of boxes',
             'coco/segm_mAP': 'AP of masks'}
    return [(shown, report['before'][name], report['after'][name])
            for name, shown in names.items()
            if report.get('before') and name in report['before'] and name in report['after']]


def _commands(out: Path, data: str | Path, prepared: Prepared, settings: RunSettings
              ) -> list[tuple[str, str]]:
    weights, config = (shlex.quote(str(out / name)) for name in (BEST, 'config.py'))
    photo = shlex.quote(str(prepared.folder / 'val'))
    commands = [
        ('find your classes in photographs, at the thresholds of the table',
         f'expalign detect {photo} {weights}'),
        ('find anything else with the same weights',
         f'expalign detect {photo} {weights} --texts "a cat, a red chair"'),
        ('measure again', f'expalign test {config} {weights}'),
        ('a file for ONNX runtimes', f'expalign export {config} {weights} -o model.onnx'),
        ('train longer: edit the config, and', f'expalign train {config}')]
    if settings.mode in KEEP_BOXES:
        options = f' --model {settings.model}' * (settings.model != DEFAULT_MODEL) + (
            f' --imgsz {settings.imgsz}' * (settings.imgsz != IMGSZ))
        commands.append(('train boxes, too: more for your classes, less for other names',
                         f'expalign train {shlex.quote(str(data))} --mode probe{options}'))
    return commands


def _facts(said: str, prepared: Prepared, settings: RunSettings, before: Measured,
           after: Measured, cost: Sequence[tuple[str, float, float]]) -> list[tuple[str, str]]:
    facts = [
        ('AP of boxes on the validation images', f'{number(before.ap)} → {number(after.ap)}'),
        ('AP50', f'{number(before.ap50)} → {number(after.ap50)}')]
    if after.mask_ap is not None:
        facts.append(('AP of masks', f'{number(before.mask_ap)} → {number(after.mask_ap)}'))
    facts += [(f'{name}, shipped photographs', f'{number(old)} → {number(new)}')
              for name, old, new in cost[:1]]
    return [*facts, ('data', said),
            ('training images', str(prepared.images['train'])),
            ('validation images', f'{prepared.images["val"]}: {prepared.how_split}'),
            ('settings', f'{settings.mode}, {settings.epochs} epochs, {settings.imgsz} px, '
                         f'{settings.batch} images a step'),
            ('classes exclude one another', 'yes: a thing gets one box, whatever its class'
             if prepared.exclusive else 'no')]


def _write_metrics(path: Path, prepared: Prepared, settings: RunSettings, before: Measured,
                   after: Measured, rows: Sequence[ClassRow],
                   cost: Sequence[tuple[str, float, float]]) -> None:
    content = dict(
        settings=asdict(settings), images=prepared.images,
        before=dict(AP=before.ap, AP50=before.ap50, mask_AP=before.mask_ap),
        after=dict(AP=after.ap, AP50=after.ap50, mask_AP=after.mask_ap),
        classes={row.name: dict(AP_before=_finite(row.before), AP_after=_finite(row.after),
                                boxes=row.trained, **_plain(row.threshold)) for row in rows},
        cost={name: dict(before=old, after=new) for name, old, new in cost})
    with finished_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


def _plain(threshold: Threshold) -> dict:
    row = asdict(threshold)
    return dict(threshold=row.pop('score'), **row)


def _finite(value: float) -> float | None:
    return None if np.isnan(value) else value


def _summary(rows: Sequence[ClassRow], before: Measured, after: Measured,
             cost: Sequence[tuple[str, float, float]], commands: Sequence[tuple[str, str]],
             out: Path) -> str:
    lines = ['', f'{"AP before":>9} {"after":>7} {"threshold":>9} {"F1":>6}  class']
    lines += [f'{number(row.before):>9} {number(row.after):>7} {number(row.threshold.score):>9} '
              f'{number(row.threshold.f1, 2):>6}  {row.name}' for row in rows]
    lines.append(f'{number(before.ap):>9} {number(after.ap):>7} {"":>9} {"":>6}  all')
    lines += [f'cost: {name} on the shipped photographs {number(old)} before, {number(new)} after'
              for name, old, new in cost]
    lines += [f'report: {out / "report.html"}', '']
    for what, line in commands:
        lines += [f'# {what}', line]
    return '\n'.join(lines)
