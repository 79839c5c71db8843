"""Vectors of COCO's names from those of other names: ``held_out_vectors.py VECTORS OUT.npz``.

Kernel ridge regression on features of MiniLM, a yardstick for the text adapter. Kernel width and
penalty are chosen by ten-fold cross-validation on names that are not COCO's. OUT goes into
``tools/test.py configs/warm_start/expalign_v8s_clip-vectors_coco-mini.py WEIGHTS --cfg-options
model.text_encoder.vectors=OUT``.
"""

import argparse
import json
import re
from pathlib import Path

import torch
from distill import held_out_names
from distill.kernel_ridge import GRID, cross_validate, fixed_length, predict
from distill.name_tokens import read_name_vectors
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn import functional as F

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.datasets import CocoDataset
from expalign.models.layers.max_sigmoid import masked_token_mean
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
from expalign.registry import MODELS
from expalign.utils import check_outputs, run_command
from expalign.utils.load_config import load_config

CONFIG = 'configs/warm_start/expalign_v8s_minilm.py'
TEMPLATES = (
    '{}', 'a {}', 'the {}', 'a photo of a {}', 'a photo of a {}, a type of object', '{}s',
    'a picture of the {} in a scene', 'what does a {} look like', '{} (object)',
    'definition of {}')
DEFINITION_WEIGHT = 0.1


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('vectors', metavar='VECTORS', help='npz of names and vectors')
    parser.add_argument('out', metavar='OUT', help='npz to write')
    parser.add_argument('--hold-out', choices=('exact', 'aliases'), default='exact')
    parser.add_argument(
        '--features', choices=('sentence', 'templates', 'layers'), default='sentence',
        help='the sentence vector of the name, of ten sentences around it, or for each of these '
             'also the mean word embedding and the mean state of its words')
    parser.add_argument(
        '--definitions', metavar='JSON', help="LVIS's categories: their definitions are learnt too")
    parser.add_argument(
        '--keep-length', action='store_true',
        help='deviations from the mean vector as predicted, not at the average length')
    return parser.parse_args()


@torch.no_grad()
def text_features(encoder: nn.Module, texts: list[str], kind: str) -> Tensor:
    """Features (n, P) of texts, float64."""
    parts = []
    for template in TEMPLATES[:1] if kind == 'sentence' else TEMPLATES:
        chunks = [
            _pooled_states(encoder, [template.format(text) for text in texts[start:start + 128]],
                           kind) for start in range(0, len(texts), 128)]
        parts += [F.normalize(torch.cat(vectors).double(), dim=1)
                  for vectors in zip(*chunks, strict=True)]
    return torch.cat(parts, dim=1)


def _pooled_states(encoder: nn.Module, texts: list[str], kind: str) -> list[Tensor]:
    """The sentence vector, and for ``'layers'`` the means of word embeddings and of words."""
    batch = encoder.tokenize(texts)
    special = batch.pop('special_tokens_mask').bool()
    states = encoder.model(**batch, output_hidden_states=True).hidden_states
    present = batch['attention_mask'].bool()
    wanted = [(states[-1], present)]
    if kind == 'layers':
        wanted += [(states[0], present), (states[-1], present & ~special)]
    return [masked_token_mean(*one)[0] for one in wanted]


def definitions(path: str, names: list[str]) -> tuple[list[str], list[int]]:
    """Definitions of LVIS's categories and the rows of the names that they belong to."""
    rows = {name.lower(): row for row, name in enumerate(names)}
    texts, owners = [], []
    for category in json.loads(Path(path).read_text(encoding='utf-8')):
        for name in (category['name'], *category['synonyms']):
            row = rows.get(name.replace('_', ' ').lower(), rows.get(name.lower()))
            if row is not None:
                texts.append(category['def'])
                owners.append(row)
                break
    return texts, owners


def main() -> None:
    """Choose the kernel, predict, write."""
    args = parse_args()
    check_outputs([args.out], filter(None, (args.vectors, args.definitions)))
    init_default_scope('mmdet')
    encoder = MODELS.build(
        load_config(CONFIG, {'model.text_encoder.bare': False}).model.text_encoder)
    names, vectors = read_name_vectors(args.vectors)
    classes = list(CocoDataset.METAINFO['classes'])
    aliases = set(held_out_names(names, classes))
    held = aliases if args.hold_out == 'aliases' else set(classes)
    rows = [row for row, name in enumerate(names) if name not in held]
    known, vectors = [names[row] for row in rows], vectors[rows].double()
    texts, owners = definitions(args.definitions, known) if args.definitions else ([], [])
    plain = [re.sub(r'\([^)]*\)', '', name).strip() for name in known]
    features = text_features(encoder, plain + texts, args.features)
    weights = torch.tensor([1.0] * len(known) + [DEFINITION_WEIGHT] * len(texts)).double()
    owners = torch.tensor([*range(len(known)), *owners])
    targets = vectors[owners]
    # The kernel is chosen on names that are not COCO's under any spelling.
    tested = torch.tensor([row for row, name in enumerate(known) if name not in aliases])
    scores = {
        options: cross_validate(known, owners, features, targets, weights, options, tested)
        for options in GRID}
    options = max(scores, key=scores.get)
    predicted, mean = predict(
        features, targets, weights, text_features(encoder, classes, args.features), options)
    if not args.keep_length:
        predicted = fixed_length(predicted, mean, vectors)
    write_prompt_vectors(args.out, classes, F.normalize(predicted.float(), dim=1))
    print(f'{len(known)} names, {len(texts)} definitions; {options}: mean cosine of deviations in '
          f'ten-fold cross-validation {scores[options]:.3f}; written: {args.out}')


if __name__ == '__main__':
    run_command(main)
