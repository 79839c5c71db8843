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
from expalign.utils.progress import progress

from .figures import figures, questions
from .layout import SPLITS
from .maps import Maps, read_annotations
from .records import Record, read_records
from .texts import PromptTokens, start_adapter
from .training import Recipe, Trained, train

CONFIG = 'configs/warm_start/expalign_v8s_minilm.py'
# A prompt is a question of its own: each keeps its best cells, and the best boxes of these.
TEST_CFG = dict(score_thr=0.0, nms_pre=30000, max_per_prompt=40, max_per_img=1000,
                nms=dict(type='nms', iou_threshold=0.7), multi_label=True)
EVALUATED = 8  # pictures at a time


def build_model(text_cache: Path) -> nn.Module:
    """The shipped detector without its weights."""
    init_default_scope('mmdet')
    cfg = load_config(CONFIG, {'model.text_encoder.cache_dir': str(text_cache)})
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
    """

    def __init__(self, set_folder: Path, maps_folder: Path, model: nn.Module) -> None:
        self.model, self.folder = model, maps_folder
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

    def adapter(self, vectors: Path, seed: int) -> nn.Module:
        """Where the text side of a seed starts; fitted once."""
        path = self.folder / f'adapter_{seed}.safetensors'
        from safetensors.torch import load_file, save_file
        if not path.is_file():
            fitted = start_adapter(self.model.text_encoder, vectors, seed)
            with finished_file(path) as file:
                save_file(fitted.state_dict(), file)
        adapter = MODELS.build(dict(
            type='expalign.TextAdapter', in_channels=384, out_channels=512))
        adapter.load_state_dict(load_file(path))
        return adapter

    def run(self, recipe: Recipe, vectors: Path, seed: int) -> dict[str, Any]:
        """Train and test; the figures, the last losses and the processor's minutes."""
        started = cpu_seconds()
        tokens = self.tokens(recipe.pooling)
        trained = train(recipe, self.model, self.adapter(vectors, seed), tokens,
                        self.maps['train'], self.records['train'], seed, report(recipe.steps))
        middle = cpu_seconds()
        found = figures(questions(self.records['test'], self.detect(trained)),
                        len(self.records['test']))
        return dict(figures=found, losses=trained.losses,
                    tau=float(trained.branches.log_tau.detach().exp()),
                    minutes=[(middle - started) / 60, (cpu_seconds() - middle) / 60])

    @torch.no_grad()
    def detect(self, trained: Trained) -> Iterator[tuple[np.ndarray, ...]]:
        """Boxes, scores and labels of every test picture."""
        records, maps = self.records['test'], self.maps['test']
        starts = range(0, len(records), EVALUATED)
        for first in progress(starts, 'test', len(starts), f'{EVALUATED} pictures'):
            batch = records[first:first + EVALUATED]
            rows = [record.row for record in batch]
            feats, masks, there = trained.tokens.of(
                [record.prompts for record in batch], trained.adapter)
            eams = trained.branches(maps.features(rows), feats, masks)
            logits = torch.cat(trained.branches.logits(eams), 2)
            attempt = first_attempt(logits, maps.boxes(rows), there, TEST_CFG, None)
            for found in find_detections(attempt, there, TEST_CFG, None).instances():
                yield tuple(found[key].numpy() for key in ('bboxes', 'scores', 'labels'))


def report(steps: int):
    """A bar of the steps with the present losses."""
    bar = iter(progress(range(steps), 'train', steps, 'step'))
    next(bar, None)

    def show(step: int, losses: dict[str, float]) -> None:
        next(bar, None)
    return show


def cpu_seconds() -> float:
    """Of this process."""
    return sum(os.times()[:2])


def read_rows(path: Path) -> list[dict]:
    """The rows that a file has."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def missing(rows: Sequence[dict], names: Sequence[str], seeds: Sequence[int]
            ) -> list[tuple[str, int]]:
    """The runs that have no row, seed by seed."""
    done = {(row['row'], row['seed']) for row in rows}
    return [(name, seed) for seed in seeds for name in names if (name, seed) not in done]
