"""Which wording of each class a model understands best, tried on a few labelled images."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from expalign.data_tools.own_data import OwnData
from expalign.evaluation.calibration import gather
from expalign.evaluation.pooled import Judged, judge
from expalign.structures.prompts import prompt_key
from expalign.utils.progress import progress

from .labelled_images import Example, choose, prepare, read_labelled
from .wordings import candidates, colour_of, coloured, distinct, near_names, rounds_of

IOUS = np.linspace(0.5, 0.95, 10)  # COCO's
TRIES = 12  # wordings of a class, without colours and the user's own
FINALISTS = 3
GAIN = 0.01  # AP by which another wording must be better than the name


@dataclass(frozen=True)
class Tried:
    """A wording and what it found of its class.

    Args:
        text: the prompt.
        ap: AP at IoU 0.50 to 0.95; NaN without a box.
        f1: the best F1 at IoU 0.5.
        threshold: the score that has it; NaN where nothing is right.
    """

    text: str
    ap: float
    f1: float
    threshold: float


@dataclass
class Suggestion:
    """What was tried for a class.

    Args:
        name: of the class.
        boxes: annotated ones, in the images that were tried.
        tried: all wordings, the best first.
        best: the one to use; the name where none is better.
    """

    name: str
    boxes: int
    tried: list[Tried] = field(default_factory=list)
    best: str = ''


@dataclass
class Suggestions:
    """The result for a data set.

    Args:
        classes: in the data set's order.
        rounds: lists of prompts that were run on each image.
        images: how many images were tried.
        check_images: how many others there were for the check.
        check: mean AP on those of the names, and of the best wordings; None without others.
        kept_names: whether the check undid all choices.
    """

    classes: list[Suggestion]
    rounds: int
    images: int
    check_images: int = 0
    check: tuple[float, float] | None = None
    kept_names: bool = False

    def class_texts(self) -> list[list[str]]:
        """The content of a ``class_text_path`` file: the best wording, then the name."""
        return [distinct([entry.best, entry.name]) for entry in self.classes]


class _KeptFeatures(nn.Module):
    """An image encoder that gives the features of inputs it has seen without computing them."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._seen: dict[int, tuple[Tensor, tuple[Tensor, ...]]] = {}

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        kept = self._seen.get(id(inputs))
        if kept is None or kept[0] is not inputs:
            kept = self._seen[id(inputs)] = inputs, self.backbone(inputs)
        return kept[1]


def suggest(data: OwnData, inferencer, own: Mapping[str, Sequence[str]] | None = None,
            images: int = 24, seed: int = 0) -> Suggestions:
    """Try wordings of every class, and check the best ones on other images.

    The image encoder runs once for an image. What the text changes is run for each list of prompts,
    and a list has a wording of every class: prompts gate the pyramid of some models, so they are
    tried in company, as they are used.

    Args:
        data: what :func:`~expalign.data_tools.own_data.recognise` found. Images of ``train`` are
            tried; those of ``val``, or else others of ``train``, are for the check.
        inferencer: :class:`~.inferencer.ExpAlignInferencer`; its model is used by nobody else.
        own: the user's wordings by class name, tried besides.
        images: how many images are tried, and at most used for the check.
        seed: of their choice.

    Raises:
        ValueError: no image has a box or can be read, or ``own`` has a class that there is not.
    """
    own = _own_by_class(own or {}, data.classes)
    examples, others = _examples(data, inferencer, images, seed)
    model = inferencer.model
    encoder, model.backbone = model.backbone, _KeptFeatures(model.backbone)
    try:
        return _Search(model, data.classes, own).run(examples, others)
    finally:
        model.backbone = encoder


def _own_by_class(own: Mapping[str, Sequence[str]], classes: Sequence[str]
                  ) -> dict[str, list[str]]:
    by_key = {prompt_key(name): name for name in classes}
    unknown = [name for name in own if prompt_key(name) not in by_key]
    if unknown:
        raise ValueError(f'the wordings are for {unknown[0]!r}, which is no class of the data; '
                         f'there are {", ".join(classes[:12])}')
    return {by_key[prompt_key(name)]: list(texts) for name, texts in own.items()}


def _examples(data: OwnData, inferencer, images: int, seed: int
              ) -> tuple[list[Example], list[Example]]:
    records = read_labelled(*data.splits['train'], data.classes)
    if not records:
        raise ValueError(f"'{data.splits['train'][0]}' has no image with a box")
    chosen = choose(records, images, len(data.classes), seed)
    ids = {id(record) for record in chosen}
    rest = [record for record in records if id(record) not in ids]
    if 'val' in data.splits:
        rest = read_labelled(*data.splits['val'], data.classes)
    rest = choose(rest, images, len(data.classes), seed)
    parts = [prepare(part, inferencer.pipeline, inferencer.model.data_preprocessor)
             for part in (chosen, rest) if part]
    return parts[0], parts[1] if len(parts) > 1 else []


class _Search:
    """The search for one data set.

    Args:
        model: the detector.
        classes: names.
        own: the user's wordings by name.
    """

    def __init__(self, model: nn.Module, classes: Sequence[str], own: Mapping[str, Sequence[str]]
                 ) -> None:
        self.model, self.classes, self.own = model, list(classes), own
        self.rounds = 0

    def run(self, examples: list[Example], others: list[Example]) -> Suggestions:
        near = _nearest(self.model)
        texts = [candidates(name, self.own.get(name, ()), near,
                            [other for other in self.classes if other != name], TRIES)
                 for name in self.classes]
        alone = self._try(examples, texts, 'try words')
        colours = [self._coloured(examples, label, alone[label])
                   for label in range(len(self.classes))]
        for found, more in zip(alone, self._try(examples, colours, 'try colours'), strict=True):
            found.update(more)
        finalists = [_ranked(found)[:FINALISTS] for found in alone]
        finalists = [distinct([name, *(t.text for t in best)]) for name, best in zip(
            self.classes, finalists, strict=True)]
        together = self._try(examples, finalists, 'compare the best')
        best = _assign(self.classes, alone, together)
        result = Suggestions([
            Suggestion(name, sum(int((~e.of_class(label)[1]).sum()) for e in examples),
                       _ranked(alone[label]), best[label])
            for label, name in enumerate(self.classes)], self.rounds, len(examples), len(others))
        self._check(result, others or examples, bool(others))
        return result

    def _coloured(self, examples: list[Example], label: int, found: dict[str, Tried]) -> list[str]:
        colour = colour_of(crop for example in examples for crop in example.crops(label))
        nouns = [tried.text for tried in _ranked(found)
                 if not tried.text.lower().startswith(('a ', 'an '))]
        return [] if colour is None else coloured(colour, nouns[:FINALISTS])

    def _try(self, examples: list[Example], texts: list[list[str]], title: str
             ) -> list[dict[str, Tried]]:
        """What each wording finds of its class, by class and text."""
        lists = list(rounds_of(texts, len(self.classes)))
        self.rounds += len(lists)
        found = [{text: [[] for _ in IOUS] for text in own} for own in texts]
        for example in progress(examples, f'{title} ({len(lists)} lists)') if lists else ():
            detections = {}
            for prompts in lists:
                detections.update(detect(self.model, example, prompts))
            for label, own in enumerate(found):
                for text, parts in own.items():
                    judge_class(example, label, *detections[prompt_key(text)], parts)
        return [{text: summary(text, parts) for text, parts in own.items()} for own in found]

    def _check(self, result: Suggestions, examples: list[Example], others: bool) -> None:
        """Names against the chosen wordings, each as one list; the better list is kept."""
        chosen = [entry.best for entry in result.classes]
        if chosen == self.classes:
            return
        scores = []
        for texts in (self.classes, chosen):
            found = self._try(examples, [[text] for text in texts], 'check')
            aps = [tried.ap for own in found for tried in own.values()]
            scores.append(float(np.nanmean(aps)) if not np.isnan(aps).all() else 0.0)
        if others:
            result.check = scores[0], scores[1]
        if scores[1] < scores[0]:
            result.kept_names = True
            for entry in result.classes:
                entry.best = entry.name


@torch.no_grad()
def detect(model: nn.Module, example: Example, prompts: list[str]
           ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Boxes (n, 4) and scores (n) of each prompt, by its key."""
    sample = example.data['data_samples'][0].clone()
    sample.set_metainfo(dict(text=prompts, custom_entities=False))
    found = model.predict(example.data['inputs'], [sample])[0].pred_instances.numpy()
    return {prompt_key(text): (found.bboxes[found.labels == i].astype(np.float64),
                               found.scores[found.labels == i])
            for i, text in enumerate(prompts)}


def judge_class(example: Example, label: int, boxes: np.ndarray, scores: np.ndarray,
           parts: list[list[Judged]]) -> None:
    """Add what detections of a class in an image are worth, by IoU."""
    truth, crowd = example.of_class(label)
    ours, theirs = np.zeros(len(boxes), int), np.zeros(len(truth), int)
    for iou, judged in zip(IOUS, parts, strict=True):
        hits, counted = judge(boxes, scores, ours, truth, theirs, crowd, iou)
        judged.append(Judged(scores[counted], ours[counted], hits[counted],
                             np.array([(~crowd).sum()])))


def summary(text: str, parts: list[list[Judged]]) -> Tried:
    """What a prompt found of its class, from what :func:`judge_class` added, by IoU."""
    judged = [gather(part, 1) for part in parts]
    best = judged[0].best_threshold() or (float('nan'), 0.0)
    return Tried(text, float(np.mean([j.average_precision() for j in judged])), best[1], best[0])


def _ranked(found: Mapping[str, Tried]) -> list[Tried]:
    """The best first; of equal ones the first that was thought of."""
    return sorted(found.values(), key=lambda tried: -np.nan_to_num(tried.ap))


def _assign(classes: Sequence[str], alone: list[dict[str, Tried]], together: list[dict[str, Tried]]
            ) -> list[str]:
    """A wording of its own for every class; where two want one, it goes where it gains more."""
    offers = []
    for label, name in enumerate(classes):
        def mean(text: str, label: int = label) -> float:
            return (np.nan_to_num(alone[label][text].ap) + np.nan_to_num(
                together[label][text].ap)) / 2
        for text in together[label]:
            gain = mean(text) - mean(name)
            if gain > GAIN:
                offers.append((gain, label, text))
    best, taken = list(classes), {prompt_key(name) for name in classes}
    for _, label, text in sorted(offers, key=lambda offer: -offer[0]):
        if best[label] == classes[label] and prompt_key(text) not in taken:
            best[label] = text
            taken.add(prompt_key(text))
    return best


def _nearest(model: nn.Module) -> Callable[[str], Iterable[str]]:
    """What gives the known names that a model takes for close to a text; none without names."""
    known = getattr(model, 'known_names', None)
    if known is None:
        return lambda text: []
    table = known.vectors.float().numpy(force=True)

    @torch.no_grad()
    def near(text: str) -> list[str]:
        tokens, masks = known([text], lambda texts: model.text_adapter(*model.text_encoder(texts)))
        vector = tokens[0][masks[0]].float().mean(0).numpy(force=True)
        return near_names(vector, known.names, table)

    return near
