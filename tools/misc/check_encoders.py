"""Whether the encoders give what their makers' own code gives.

    check_encoders.py [--image-model M] [--text-model M] [--record FILE | --compare FILE]

Features of three shipped photographs and ten prompts go through this project's wrappers of DINOv3
ConvNeXt-T and CLIP ViT-L/14 and through transformers' own classes, and must agree. --record also
writes those of transformers to a file; --compare compares with such a file instead, which tells
whether the weights are those of whoever recorded it. Parameters are printed beside the paper's.
Models are hub names or local folders.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from prettytable import PrettyTable
from torch import Tensor

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.models.backbones import DINOv3ConvNeXt
from expalign.models.text_encoders import CLIPTokenEncoder
from expalign.models.utils.pretrained import load_pretrained, load_tokenizer
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.npz_files import read_arrays

ROOT = Path(__file__).resolve().parents[2]
PHOTOGRAPHS = [ROOT / 'demo/data/mini/val2017' / f'{number:012d}.jpg'
               for number in (55299, 160012, 555009)]
PROMPTS = ['cat', 'a dog', 'red', 'traffic light', 'a man in a green jacket', 'waffle',
           'black and white cat', 'the left chair', 'refrigerator', 'headphones']
SIDE = 224  # pixels: a corner of each photograph, so that nothing is interpolated
STEP = 7  # cells between those that are compared
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
PAPER = dict(image='the paper says 26 M frozen, DINOv3 ConvNeXt-T has 27.82 M',
             text='not counted in the paper, CLIP ViT-L/14 has 123.65 M')
Features = dict[str, np.ndarray]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--image-model', default='facebook/dinov3-convnext-tiny-pretrain-lvd1689m')
    parser.add_argument('--text-model', default='openai/clip-vit-large-patch14')
    parser.add_argument('--tolerance', type=float, default=1e-4,
                        help='largest difference, by the largest value (default 1e-4)')
    how = parser.add_mutually_exclusive_group()
    how.add_argument('--record', type=Path, metavar='FILE.npz', help='write the features')
    how.add_argument('--compare', type=Path, metavar='FILE.npz', help='features to compare with')
    args = parser.parse_args()
    for path in filter(None, (args.record, args.compare)):
        if path.suffix != '.npz':
            parser.error(f'{path}: the name must end in .npz')
    return args


def pixels() -> Tensor:
    """Corners of the photographs, RGB, normalised: (3, 3, SIDE, SIDE)."""
    images = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)[:SIDE, :SIDE]
              for path in PHOTOGRAPHS]
    values = torch.as_tensor(np.stack(images)).permute(0, 3, 1, 2).float()
    return (values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def named(maps: list[Tensor], tokens: list[Tensor], sentences: Tensor) -> Features:
    """Features by name: cells of C3, C4, C5, the tokens of all prompts, their sentence vectors."""
    found = {f'C{level}': part[..., ::STEP, ::STEP] for level, part in enumerate(maps, 3)}
    found |= dict(tokens=torch.cat(tokens), sentences=sentences)
    return {name: value.numpy() for name, value in found.items()}


@torch.no_grad()
def own_features(image_model: str, text_model: str) -> tuple[Features, dict[str, int]]:
    """What this project's wrappers give, and how many parameters each network has."""
    image, text = DINOv3ConvNeXt(image_model).eval(), CLIPTokenEncoder(text_model).eval()
    tokens, masks = text(PROMPTS)  # (N, L, D), (N, L)
    kept = [row[mask] for row, mask in zip(tokens, masks, strict=True)]
    counts = {name: sum(x.numel() for x in part.parameters())
              for name, part in (('image', image), ('text', text))}
    return named(list(image(pixels())), kept, torch.stack([row[-1] for row in kept])), counts


@torch.no_grad()
def reference_features(image_model: str, text_model: str) -> Features:
    """What transformers' own classes give, called as their documentation says."""
    from transformers import CLIPTextModelWithProjection, DINOv3ConvNextModel
    image = load_pretrained(DINOv3ConvNextModel, image_model, 'check_encoders(--image-model)')
    text = load_pretrained(CLIPTextModelWithProjection, text_model, 'check_encoders(--text-model)')
    maps = image.eval()(pixels(), output_hidden_states=True).hidden_states[-3:]
    tokenizer = load_tokenizer(text_model, 'check_encoders(--text-model)')
    batch = tokenizer(PROMPTS, padding=True, return_tensors='pt')
    out = text.eval()(**{name: batch[name] for name in ('input_ids', 'attention_mask')})
    tokens = text.text_projection(out.last_hidden_state)
    lengths = batch['attention_mask'].sum(1).tolist()
    # After the start token, up to and including the end of the text.
    return named(list(maps), [row[1:length] for row, length in zip(tokens, lengths, strict=True)],
                 out.text_embeds)


def save_features(path: Path, models: tuple[str, str], features: Features) -> None:
    """Write features, and the names of the models that they are of."""
    with finished_file(path) as temporary, open(temporary, 'wb') as file:
        np.savez_compressed(file, models=np.array(models), **features)


def load_features(path: Path) -> tuple[tuple[str, str], Features]:
    """What :func:`save_features` has written: names of the models, and features.

    Raises:
        FileNotFoundError, ValueError: the file is not there, or has not all of them.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist: write it with --record where the models '
                                'can be had')
    wanted = ('models', 'C3', 'C4', 'C5', 'tokens', 'sentences')
    content = read_arrays(path, wanted, 'recorded features')
    missing = [name for name in wanted if name not in content]
    if missing:
        raise ValueError(f'{path} has no {", ".join(missing)}: it was not written by --record')
    models = tuple(map(str, content.pop('models').tolist()))
    return models, content


def differences(own: Mapping[str, np.ndarray], reference: Features) -> dict[str, float]:
    """The largest difference of each array, relative to its largest value; inf for other shapes."""
    return {name: float(np.abs(own[name] - value).max() / np.abs(value).max())
            if own[name].shape == value.shape else float('inf')
            for name, value in reference.items()}


def main() -> None:
    """Encode, compare, report; exit status 1 where features differ."""
    args = parse_args()
    models = args.image_model, args.text_model
    own, counts = own_features(*models)
    if args.compare is not None:
        recorded, reference = load_features(args.compare)
        print(f'recorded with {recorded[0]} and {recorded[1]}')
    else:
        reference = reference_features(*models)
    if args.record is not None:
        check_outputs([args.record], PHOTOGRAPHS)
        save_features(args.record, models, reference)
        print(f'written: {args.record}')
    table = PrettyTable(['features', 'shape', 'difference', 'verdict'], align='l')
    found = differences(own, reference)
    for name, difference in found.items():
        table.add_row([name, ' x '.join(map(str, own[name].shape)), f'{difference:.1e}',
                       'equal' if difference <= args.tolerance else 'DIFFERENT'])
    print(table)
    for part, count in counts.items():
        print(f'{part}: {count / 1e6:.2f} M parameters ({PAPER[part]})')
    if max(found.values()) > args.tolerance:
        sys.exit(1)


if __name__ == '__main__':
    run_command(main)
