"""Gives windows of similarity the vectors of all phrases of the training data."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from expalign.datasets.phrases import plain, synonyms
from expalign.datasets.transforms import SamplePrompts
from expalign.datasets.transforms.random_flip import swap_sides
from expalign.datasets.transforms.similarity_window import SimilarityWindow
from expalign.models.text_encoders.sentences import encoder_of, sentence_vectors
from expalign.registry import HOOKS

from .mask_share_hook import data_sets_in, name_of

BATCH = 256  # phrases encoded at a time
LOOKED_AT = 200  # images of a data set, for the share of candidates that passes
CANDIDATES = 2000  # of all, for the same


@HOOKS.register_module()
class SimilarityWindowHook(Hook):
    """Fits every :class:`~expalign.datasets.transforms.similarity_window.SimilarityWindow`.

    Before training all phrases that may be positives or negatives are encoded once, in process 0,
    by the text model of the window. The log has the cosines that its quantiles are, and what
    share of the candidates passes in images of each data set. Pipelines that are put in place
    later, without mosaic, get the same vectors.
    """

    # After the hook that exchanges pipelines.
    priority = 'LOW'

    def __init__(self) -> None:
        self._fitted: dict[tuple, SimilarityWindow] = {}

    def before_train(self, runner: Runner) -> None:
        """Fit the windows of the first pipeline."""
        self._serve(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Fit those of a pipeline that has come since."""
        self._serve(runner)

    def _serve(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        for step in prompt_steps(dataset):
            window = step.window
            if window is None or window.bounds is not None:
                continue
            key = window.text_model, window.quantiles
            if key in self._fitted:
                window.share(self._fitted[key])
            else:
                self._fit(window, step, runner)
                self._fitted[key] = window

    def _fit(self, window: SimilarityWindow, step: SamplePrompts, runner: Runner) -> None:
        leaves = list(data_sets_in(runner.train_dataloader.dataset))
        shared = [None]
        if is_main_process():
            positives, classes = phrases_in(leaves)
            further = step.vocabulary.phrases if step.vocabulary is not None else []
            candidates = list(dict.fromkeys([*classes, *further]))
            names = list(dict.fromkeys([*positives, *candidates]))
            shared = [(names, _encode(names, window, runner), positives, candidates)]
        broadcast_object_list(shared)
        names, vectors, positives, candidates = shared[0]
        window.fit(names, vectors, positives, candidates)
        model = window.text_model or _own_encoder(runner)
        print_log('window of similarity: quantiles {:g} and {:g} are cosines of {:.3f} and {:.3f} '
                  .format(*window.quantiles, *window.bounds) + f'in the space of {model}, of '
                  f'{len(positives):,} positives with {len(candidates):,} candidates', 'current')
        for leaf in leaves:
            print_log(f'window of similarity: {passing_share(window, leaf, candidates):.1%} of the '
                      f'candidates pass in images of {name_of(leaf)}', 'current')


def prompt_steps(dataset: object) -> Iterator[SamplePrompts]:
    """The steps that choose prompts, in the pipelines of a data set and all that it wraps."""
    yield from _prompt_steps(getattr(dataset, 'pipeline', ()))
    for child in getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]:
        if child is not None:
            yield from prompt_steps(child)


def _prompt_steps(steps: object) -> Iterator[SamplePrompts]:
    if isinstance(steps, SamplePrompts):
        yield steps
    # Of a pipeline, or of a step that chooses among several.
    inner = steps if isinstance(steps, list | tuple) else getattr(steps, 'transforms', ())
    for step in inner:
        yield from _prompt_steps(step)


def phrases_in(leaves: Iterable[BaseDataset]) -> tuple[list[str], list[str]]:
    """All phrases that may be positives, and those of them that are classes of detection sets."""
    found, classes = {}, {}
    for leaf in leaves:
        for index in range(len(leaf)):
            # Of the base class: it has the phrases of captions, and not the classes of all.
            record = BaseDataset.get_data_info(leaf, index)
            if record.get('text_kind') == 'grounding':
                phrases = [p for e in record['text'] for p in synonyms(e)]
                # RandomFlip may exchange left and right.
                found.update((plain(p), p) for p in [*phrases, *map(swap_sides, phrases)])
            elif leaf not in classes:
                classes[leaf] = [p for e in leaf.get_data_info(index)['text'] for p in synonyms(e)]
    named = {plain(phrase): phrase for phrases in classes.values() for phrase in phrases}
    return list((found | named).values()), list(named.values())


def passing_share(window: SimilarityWindow, leaf: BaseDataset, candidates: list[str]) -> float:
    """The mean share of candidates that the window accepts for the positives of an image.

    Args:
        window: fitted.
        leaf: images at even distances are looked at.
        candidates: at even distances, too.
    """
    candidates = candidates[::-(-len(candidates) // CANDIDATES)]
    shares = []
    for index in range(0, len(leaf), -(-len(leaf) // LOOKED_AT)):
        record = leaf.get_data_info(index)
        seen = {instance['bbox_label'] for instance in record['instances']
                if not instance.get('ignore_flag')}
        positives = [synonyms(record['text'][label])[0] for label in sorted(seen)]
        taken = set(map(plain, positives))
        others = [phrase for phrase in candidates if plain(phrase) not in taken]
        if positives and others:
            shares.append(window.accepts(others, positives).mean())
    return float(np.mean(shares)) if shares else 1.0


def _encode(names: list[str], window: SimilarityWindow, runner: Runner) -> np.ndarray:
    """Unit vectors of phrases, (E, D) float16."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    encoder = model.text_encoder
    if window.text_model not in (None, _own_encoder(runner)):
        owner = f'similarity_window(text_model={window.text_model!r})'
        encoder = encoder_of(window.text_model, owner).to(next(model.parameters()).device)
    print_log(f'window of similarity: encoding {len(names):,} phrases', 'current')
    parts = [sentence_vectors(encoder, names[start:start + BATCH]).half()
             for start in range(0, len(names), BATCH)]
    return torch.cat(parts).numpy()


def _own_encoder(runner: Runner) -> str:
    """The name of the detector's text encoder."""
    settings = runner.cfg.get('model', {}).get('text_encoder', {})
    name = settings.get('model')
    return name if isinstance(name, str) else f"the detector's {settings.get('type', 'encoder')}"
