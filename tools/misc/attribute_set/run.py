"""One run from end to end: text side, training, evaluation; what a row of the table takes."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from expalign.models.dense_heads.detections import find_detections, first_attempt
from expalign.registry import MODELS
from expalign.utils import finished_file
from expalign.utils.load_config import load_config
from expalign.utils.progress import counted

from .figures import figures, questions
from .layout import SPLITS
from .maps import Maps, read_annotations
from .records import Record, read_records
from .texts import PromptTokens, text_map
from .training import FIRST_STAGE, Recipe, Trained, train

CONFIG = 'configs/warm_start/expalign_v8s_minilm.py'
# A prompt is a question of its own: each keeps its best cells, and the best boxes of these.
TEST_CFG = dict(score_thr=0.0, nms_pre=30000, max_per_prompt=40, max_per_img=1000,
                nms=dict(type='nms', iou_threshold=0.7), multi_label=True)
EVALUATED = 8  # pictures at a time


def build_model(text_cache: Path) -> nn.Module:
    """The shipped detector without its weights; it reads prompts as they are given."""
    init_default_scope('mmdet')
    cfg = load_config(CONFIG, {'model.text_encoder.cache_dir': str(text_cache),
                               'model.text_encoder.bare': False})
    return MODELS.build(cfg.model).eval()


def load_weights(model: nn.Module, weights: str) -> None:
    """Give the detector its weights."""
    load_checkpoint(model, weights, map_location='cpu', logger='silent')


class Bench:
    """What all runs share: the detector, maps, records and prompts of both splits.

    Args:
        set_folder: of make_attribute_set.py.
        maps_folder: with ``train`` and ``test`` of :func:`~.maps.cache`.
        model: the detector with its weights.
        longer: factor of the steps of all recipes.
    """

    def __init__(self, set_folder: Path, maps_folder: Path, model: nn.Module, longer: int = 1
                 ) -> None:
        self.model, self.folder, self.longer = model, maps_folder, longer
        self.maps = {split: Maps(maps_folder / split) for split in SPLITS}
        self.records: dict[str, list[Record]] = {}
        for split, maps in self.maps.items():
            self.records[split] = read_records(
                read_annotations(set_folder, split), maps.names, maps.side)
        self.prompts = sorted({prompt for records in self.records.values()
                               for record in records for prompt in record.prompts})
        self._tokens: dict[str, PromptTokens] = {}

    def tokens(self, pooling: str) -> PromptTokens:
        """The prompts' tokens, once for each pooling."""
        if pooling not in self._tokens:
            self._tokens[pooling] = PromptTokens(self.model.text_encoder, self.prompts, pooling)
        return self._tokens[pooling]

    def text_map(self, vectors: Path) -> torch.Tensor:
        """Of the text encoder, fitted once."""
        from safetensors.torch import load_file, save_file
        path = self.folder / 'text_map.safetensors'
        if not path.is_file():
            fitted = text_map(self.model.text_encoder, vectors)
            with finished_file(path) as file:
                save_file(dict(text_map=fitted.contiguous()), file)
        return load_file(path)['text_map']

    def run(self, recipe: Recipe, vectors: Path, seed: int) -> dict[str, Any]:
        """Train and test; the figures, the last losses and the processor's minutes."""
        started = cpu_seconds()
        start = self.first_stage(vectors, seed) if recipe.second else None
        trained = self.train(recipe, vectors, seed, start)
        if recipe == FIRST_STAGE:
            self.keep_stage(trained, seed)
        middle = cpu_seconds()
        found = figures(questions(self.records['test'], self.detect(trained)),
                        len(self.records['test']))
        return dict(figures=found, losses=trained.losses,
                    tau=float(trained.branches.log_tau.detach().exp()),
                    minutes=[(middle - started) / 60, (cpu_seconds() - middle) / 60])

    def train(self, recipe: Recipe, vectors: Path, seed: int,
              start: dict[str, torch.Tensor] | None = None) -> Trained:
        """:func:`~.training.train` on the maps."""
        recipe = recipe.longer(self.longer)
        with counted('train', recipe.steps, 'step') as advance:
            return train(recipe, self.model, self.text_map(vectors), self.tokens(recipe.pooling),
                         self.maps['train'], self.records['train'], seed,
                         lambda step, losses: advance(1), start)

    def first_stage(self, vectors: Path, seed: int) -> dict[str, torch.Tensor]:
        """What a second stage starts from, trained once."""
        from safetensors.torch import load_file
        path = self._stage_file(seed)
        if not path.is_file():
            self.keep_stage(self.train(FIRST_STAGE, vectors, seed), seed)
        return load_file(path)

    def keep_stage(self, trained: Trained, seed: int) -> None:
        """Write what :meth:`first_stage` reads."""
        from safetensors.torch import save_file
        with finished_file(self._stage_file(seed)) as file:
            save_file({name: x.contiguous() for name, x in trained.state().items()}, file)

    def _stage_file(self, seed: int) -> Path:
        steps = FIRST_STAGE.longer(self.longer).steps
        return self.folder / f'first_stage_{seed}_{steps}.safetensors'

    @torch.no_grad()
    def detect(self, trained: Trained) -> Iterator[tuple[np.ndarray, ...]]:
        """Boxes, scores and labels of every test picture."""
        records, maps = self.records['test'], self.maps['test']
        with counted('test', len(records), 'picture') as advance:
            for first in range(0, len(records), EVALUATED):
                batch = records[first:first + EVALUATED]
                rows = [record.row for record in batch]
                feats, masks, there = trained.tokens.of(
                    [record.prompts for record in batch], trained.adapter)
                eams = trained.branches(maps.features(rows), feats, masks)
                logits = torch.cat(trained.branches.logits(eams), 2)
                attempt = first_attempt(logits, maps.boxes(rows), there, TEST_CFG, None)
                for found in find_detections(attempt, there, TEST_CFG, None).instances():
                    yield tuple(found[key].numpy() for key in ('bboxes', 'scores', 'labels'))
                advance(len(batch))


def cpu_seconds() -> float:
    """Of this process."""
    return sum(os.times()[:2])


def made_from(maps_folder: Path, given: dict[str, str], longer: int) -> dict[str, Any]:
    """What rows of one file have in common; every row says it.

    Args:
        maps_folder: of the maps.
        given: of :func:`~.maps.sources`.
        longer: factor of the steps.

    Raises:
        FileNotFoundError: the maps are not there, or not complete.
        ValueError: they are of something else.
    """
    maps = [Maps(maps_folder / split) for split in SPLITS]
    for one in maps:
        one.check(given)
    return dict(pictures=[len(one.names) for one in maps], longer=longer,
                **{key: value[:12] for key, value in given.items()})


def read_rows(path: Path) -> list[dict]:
    """The rows that a file has.

    Raises:
        ValueError: a line is no row of ``attribute_table.py train``.
    """
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        try:
            row = json.loads(line)
            row['row'], row['seed'], row['figures'], row['made_from']
        except (ValueError, KeyError, TypeError):
            raise ValueError(f'{path}, line {number}, is no row of attribute_table.py train: '
                             'remove the line, and its run is done again') from None
        rows.append(row)
    return rows


def missing(rows: Sequence[dict], names: Sequence[str], seeds: Sequence[int],
            common: dict[str, Any]) -> list[tuple[str, int]]:
    """The runs that have no row, seed by seed.

    Args:
        rows: those there are.
        names, seeds: of the runs that are wanted.
        common: of :func:`made_from`.

    Raises:
        ValueError: there are rows of other maps, or of other steps.
    """
    for row in rows:
        if row['made_from'] != common:
            raise ValueError(
                f'the file of rows has one, {row["row"]!r} of seed {row["seed"]}, of '
                f'{row["made_from"]} and not of {common}: give another file')
    done = {(row['row'], row['seed']) for row in rows}
    return [(name, seed) for seed in seeds for name in names if (name, seed) not in done]
