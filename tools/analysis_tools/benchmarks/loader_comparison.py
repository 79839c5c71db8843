"""Rate of a config's training samples, next to mmyolo's own pipeline, and the time by step.

All of it is one process with one thread, as a worker is. Compared are the pipeline of the config
as it reads a set that is too large for memory, the same with all images in memory, the first
without ``expalign.SamplePrompts``, and mmyolo's transforms in the same places on mmyolo's data set,
which draw the same images, crops and colours; and, where ultralytics can be imported, its loader
with its own settings, which takes the further images of a mosaic from those that it still holds.
They take turns within every sample; a table has medians over rounds, and ratios within a round.

Counted is the process's CPU time, which other programs on the machine do not change, of files that
were read before.
"""

import importlib.util
import os
import statistics
import time
from collections import Counter
from pathlib import Path

from mmengine.config import Config

from expalign.datasets.sample_seed import seeded_generators, set_epoch
from expalign.utils import scratch_folder

WHOLE, NO_PROMPTS, MMYOLO = 'config', 'config without SamplePrompts', 'mmyolo'
IN_MEMORY = 'config, images in memory'
ULTRALYTICS = 'ultralytics'
MEMORY = 2**30  # bytes for decoded images
MANY = 3000  # images: more would not fit
MMYOLO_STEPS = {
    'expalign.LoadImageFromFile': dict(type='mmcv.LoadImageFromFile'),
    'mmdet.LoadAnnotations': dict(type='mmyolo.LoadAnnotations'),
    'expalign.LoadInstances': dict(
        type='mmyolo.LoadAnnotations', with_bbox=True, with_mask=True, mask2bbox=True),
    'expalign.Mosaic': dict(type='mmyolo.Mosaic'),
    'expalign.MixUp': dict(type='mmyolo.YOLOv5MixUp'),
    'expalign.RandomAffine': dict(type='mmyolo.YOLOv5RandomAffine', use_mask_refine=True),
    'expalign.RandomFlip': dict(type='mmdet.RandomFlip'),
    'expalign.PackInstances': dict(type='mmdet.PackDetInputs'),
}


def compare_pipelines(cfg: Config, samples: int, rounds: int, seed: int) -> str:
    """The table of rates and the table of steps.

    Args:
        cfg: the config; its ``train_dataloader.dataset`` is measured.
        samples: of each pipeline in a round.
        rounds: whose medians are shown.
        seed: of the random transforms.
    """
    with scratch_folder() as folder:
        datasets = build_datasets(cfg, folder)
        means = measure(datasets, samples, rounds, seed)
    return '\n'.join([*rate_table(means), '', *step_table(datasets[WHOLE], samples)])


def without_prompts(pipeline: list[dict]) -> list[dict]:
    """The steps but for the choice of prompts."""
    return [step for step in pipeline if step['type'] != 'expalign.SamplePrompts']


def keeping(pipeline: list[dict], cache_bytes: int) -> list[dict]:
    """The same steps with so much memory for decoded images."""
    steps = []
    for step in map(dict, pipeline):
        if step['type'] == 'expalign.LoadImageFromFile':
            step['cache_bytes'] = cache_bytes
        if 'pre_transform' in step:
            step['pre_transform'] = keeping(step['pre_transform'], cache_bytes)
        steps.append(step)
    return steps


def as_mmyolo(pipeline: list[dict]) -> list[dict]:
    """The same steps with mmyolo's, mmdet's and mmcv's classes.

    Raises:
        ValueError: a step that has none.
    """
    steps = []
    for step in without_prompts(pipeline):
        replaced = dict(step, **MMYOLO_STEPS.get(step['type'], {}))
        if replaced['type'].startswith('expalign.'):
            raise ValueError(f"nothing in mmyolo is like the step {step['type']}")
        for key in ('flip_text', 'cache_bytes'):
            replaced.pop(key, None)
        if 'pre_transform' in step:
            replaced['pre_transform'] = as_mmyolo(step['pre_transform'])
        steps.append(replaced)
    return steps


def build_ultralytics(dataset, size: int, folder: Path):
    """ultralytics' training set of the same boxes, with its own augmentation.

    Args:
        dataset: in COCO format, of ours.
        size: of the images, in pixels.
        folder: for its labels, and for links to the images.
    """
    os.environ.setdefault('YOLO_CONFIG_DIR', str(folder))
    from ultralytics.data.dataset import YOLODataset
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    for index in range(len(dataset)):
        record = dataset.get_data_info(index)
        path = Path(record['img_path']).resolve()
        (folder / 'images' / path.name).symlink_to(path)
        width, height = record['width'], record['height']
        lines = []
        for instance in record['instances']:
            x1, y1, x2, y2 = instance['bbox']
            if not instance['ignore_flag']:
                lines.append(
                    f"{instance['bbox_label']} {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} "
                    f'{(x2 - x1) / width} {(y2 - y1) / height}')
        (folder / 'labels' / f'{path.stem}.txt').write_text('\n'.join(lines), encoding='utf-8')
    names = dict(enumerate(dataset.metainfo['classes']))
    return YOLODataset(
        img_path=str(folder / 'images'), imgsz=size, augment=True,
        data=dict(names=names, nc=len(names), channels=3))


def build_datasets(cfg: Config, folder: Path) -> dict:
    """The data sets to compare, by name; those of others where they can read the annotations."""
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope
    from mmyolo.registry import DATASETS as MMYOLO_DATASETS

    from expalign.datasets import TextCocoDataset
    init_default_scope('mmdet')
    settings = cfg.train_dataloader.dataset
    pipelines = {
        WHOLE: keeping(settings.pipeline, 0),
        IN_MEMORY: keeping(settings.pipeline, MEMORY),
        NO_PROMPTS: without_prompts(keeping(settings.pipeline, 0))}
    datasets = {name: DATASETS.build(settings | dict(pipeline=pipeline))
                for name, pipeline in pipelines.items()}
    load_all(datasets[IN_MEMORY])
    if isinstance(datasets[WHOLE], TextCocoDataset):
        keys = ('data_root', 'ann_file', 'data_prefix', 'filter_cfg')
        datasets[MMYOLO] = MMYOLO_DATASETS.build(dict(
            {key: settings[key] for key in keys if key in settings},
            type='mmyolo.YOLOv5CocoDataset', pipeline=as_mmyolo(settings.pipeline),
            metainfo=dict(classes=datasets[WHOLE].metainfo['classes'])))
        if importlib.util.find_spec('ultralytics'):
            size = datasets[WHOLE][0]['inputs'].shape[-1]
            datasets[ULTRALYTICS] = build_ultralytics(datasets[WHOLE], size, folder)
    else:
        print(f'only the config is measured: others do not read the data of {settings.type}')
    return datasets


def load_all(dataset) -> None:
    """Have the images of a data set in memory, as they are after an epoch, if they may fit."""
    if len(dataset) <= MANY:
        load = dataset.pipeline.transforms[0]
        for index in range(len(dataset)):
            load(dict(dataset.get_data_info(index), dataset=dataset))


def seconds_of(dataset, index: int, entropy: tuple[int, ...] | None) -> float:
    """CPU seconds of one sample; ``entropy`` seeds a data set that does not do so itself."""
    if entropy is None:
        start = time.process_time()
        dataset[index]
        return time.process_time() - start
    with seeded_generators(*entropy):
        return seconds_of(dataset, index, None)


def measure(datasets: dict, samples: int, rounds: int, seed: int) -> dict[str, list[float]]:
    """Seconds a sample in every round, by the name of the data set."""
    names = list(datasets)
    means = {name: [] for name in names}
    for number in range(rounds + 1):  # the first one reads the files and is not counted
        totals = Counter()
        for step in range(samples):
            index = (number * samples + step) % len(datasets[WHOLE])
            for place in range(len(names)):
                name = names[(place + step) % len(names)]
                seeded = set_epoch(datasets[name], number, seed)
                entropy = None if seeded else (seed, number, index)
                totals[name] += seconds_of(datasets[name], index, entropy)
        for name in names if number else ():
            means[name].append(totals[name] / samples)
        rates = ', '.join(f'{name} {samples / totals[name]:.1f}' for name in names)
        print(f'round {number} of {rounds}: images/s {rates}', flush=True)
    return means


def rate_table(means: dict[str, list[float]]) -> list[str]:
    """Rates, and how they compare with the config's and with mmyolo's within a round."""
    bases = [name for name in (NO_PROMPTS, MMYOLO) if name in means]
    lines = ['| pipeline | images/s a worker | ms an image | '
             + ' | '.join(f'time / {base}' for base in bases) + ' |',
             '|---|---|---|' + '---|' * len(bases)]
    for name, values in means.items():
        ratios = [statistics.median(a / b for a, b in zip(values, means[base], strict=True))
                  for base in bases]
        middle = statistics.median(values)
        lines.append(f'| {name} | {1 / middle:.1f} | {1000 * middle:.2f} | '
                     + ' | '.join(f'{ratio:.3f}' for ratio in ratios) + ' |')
    return lines


class Clock:
    """Time by step, without the steps inside."""

    def __init__(self) -> None:
        self.seconds, self.inside = Counter(), [0.0]

    def watch(self, pipeline, prefix: str = '') -> None:
        """Measure every step of a ``Compose``, and of the ``pre_transform`` in it."""
        for place, step in enumerate(pipeline.transforms):
            name = prefix + type(step).__name__
            nested = getattr(step, 'pre_transform', None)
            if nested is not None:
                self.watch(nested, f'{name}: ')
            pipeline.transforms[place] = self.timed(name, step)

    def timed(self, name: str, call):
        """``call``, whose time is added up under ``name``."""
        def run(*args):
            self.inside.append(0.0)
            start = time.process_time()
            result = call(*args)
            total = time.process_time() - start
            self.seconds[name] += total - self.inside.pop()
            self.inside[-1] += total
            return result

        return run


def step_table(dataset, samples: int) -> list[str]:
    """Share of the time of every step."""
    clock = Clock()
    clock.watch(dataset.pipeline)
    sample = clock.timed('record, seed and the rest', dataset.__getitem__)
    for step in range(samples):
        sample(step % len(dataset))
    total = sum(clock.seconds.values())
    return ['| step | ms an image | share |', '|---|---|---|'] + [
        f'| {name} | {1000 * seconds / samples:.2f} | {100 * seconds / total:.1f} % |'
        for name, seconds in clock.seconds.most_common()]
