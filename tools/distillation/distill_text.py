"""Train the text adapter on vectors of names: ``distill_text.py VECTORS WEIGHTS MAPS OUT``.

A closed-form fit, then functional distillation on cells of the images in MAPS (made by
cache_image_side.py), both without any annotation. With --detection the class loss on the
images' annotations is added. Minutes on two CPU cores.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from distill import RidgeFitOptions, fit_adapter, held_out_names
from distill.cached_maps import CachedMaps, FoldedHead, sample_cells
from distill.detection_terms import detection_terms
from distill.name_tokens import encode_names, read_name_vectors, token_rows
from distill.refine import NameBank, RefineOptions, refine_adapter
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.checkpoints.assemble import TEXT_PREFIX, read_text_side
from expalign.checkpoints.trust import add_trust_argument
from expalign.models.text_encoders import TextAdapter
from expalign.registry import MODELS
from expalign.utils import check_outputs, finished_file
from expalign.utils.load_config import load_config

CONFIG = 'configs/warm_start/expalign_v8s_minilm.py'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('vectors', metavar='VECTORS', help='npz of names and vectors')
    parser.add_argument('weights', metavar='WEIGHTS', help='converted image side, *.safetensors')
    parser.add_argument('maps', metavar='MAPS', help='folder of cache_image_side.py')
    parser.add_argument('out', metavar='OUT', help='text side to write, *.safetensors')
    parser.add_argument(
        '--hold-out', choices=('none', 'exact', 'aliases'), default='none',
        help="which of COCO's 80 names are kept from training: none, the very strings, or all "
             'spellings and aliases (distill.heldout)')
    parser.add_argument(
        '--token-pooling', choices=('expectation', 'mean', 'eot'), default='expectation')
    parser.add_argument('--steps', type=int, default=RefineOptions().steps, help='0: fit alone')
    parser.add_argument('--lr', type=float, default=RefineOptions().lr)
    parser.add_argument(
        '--score-weight', type=float, default=RefineOptions().score_weight,
        help="weight of the divergence between the scores of an image's cells; 0: none")
    parser.add_argument(
        '--over', type=float, default=RefineOptions().over,
        help='factor of that divergence where a score is too high')
    parser.add_argument(
        '--bare', type=int, default=RefineOptions().bare, metavar='N',
        help='draw names as they are N times as often as in each other template')
    parser.add_argument(
        '--start', metavar='TEXT', help='text side to start from instead of the closed-form fit')
    parser.add_argument('--spread', type=float, default=RidgeFitOptions().spread)
    parser.add_argument('--ridge', type=float, default=RidgeFitOptions().ridge)
    parser.add_argument(
        '--detection', type=float, default=0.0, help='weight of the class loss; 0: none')
    parser.add_argument(
        '--consistency', type=float, nargs=2, metavar=('SEM', 'GEO'),
        help='weights of the consistency losses, relative to the class loss')
    parser.add_argument('--seed', type=int, default=0)
    add_trust_argument(parser)
    args = parser.parse_args()
    if Path(args.out).suffix != '.safetensors':
        parser.error(f'OUT {args.out}: the name must end in .safetensors')
    try:
        check_outputs([args.out], filter(None, (args.vectors, args.weights, args.start)))
    except ValueError as error:
        parser.error(str(error))
    if args.detection and args.hold_out != 'none':
        parser.error('--detection trains on COCO annotations: it goes with --hold-out none only')
    if args.bare < 1 or min(args.score_weight, args.over) < 0:
        parser.error('--bare must be at least 1, --score-weight and --over at least 0')
    if args.consistency and not args.detection:
        parser.error('--consistency needs --detection')
    return args


def training_names(names: list[str], classes: list[str], rule: str) -> list[int]:
    """Rows of the names that training may use."""
    held = {'none': set(), 'exact': set(classes), 'aliases': set(held_out_names(names, classes))}
    return [row for row, name in enumerate(names) if name not in held[rule]]


def progress(steps: int):
    """A report function with rate and time left."""
    started, losses = time.time(), []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step % 50 == 49 or step == steps - 1:
            rate = (step + 1) / (time.time() - started)
            print(f'step {step + 1}/{steps}  loss {sum(losses[-50:]) / len(losses[-50:]):.3f}  '
                  f'{rate:.1f} steps a second, {(steps - step - 1) / rate:.0f} s left', flush=True)
    return report


def command_line(arguments: list[str]) -> str:
    """The command, its files without the folders that they have on this machine."""
    return 'python tools/distillation/distill_text.py ' + ' '.join(Path(x).name for x in arguments)


def start(args: argparse.Namespace, bank: NameBank, vectors: torch.Tensor) -> TextAdapter:
    """The adapter before refinement: of a file, or fitted in closed form."""
    if not args.start:
        return fit_adapter(
            token_rows(bank), vectors, args.token_pooling,
            RidgeFitOptions(spread=args.spread, ridge=args.ridge), args.seed)
    width, out = bank.tokens[0].shape[2], vectors.shape[1]
    adapter = TextAdapter(width, out, args.token_pooling)
    adapter.load_state_dict(read_text_side(args.start)[0])
    return adapter


def save(adapter: torch.nn.Module, args: argparse.Namespace, count: int) -> None:
    """Write the adapter under the detector's names, in half precision."""
    from safetensors.torch import save_file
    state = {TEXT_PREFIX + name: x.half().contiguous()
             for name, x in adapter.state_dict().items()}
    header = dict(
        config=Path(CONFIG).name, token_pooling=args.token_pooling, names=str(count),
        data='CLIP ViT-B/32 vectors of names'
             + (' and coco-mini train2017' if args.detection else '; images without annotations'),
        command=command_line(sys.argv[1:]),
        licence='GPL-3.0',
        options=json.dumps({k: v for k, v in vars(args).items() if k not in (
            'vectors', 'weights', 'maps', 'out')}))
    with finished_file(args.out) as temporary:
        save_file(state, temporary, header)


def main() -> None:
    """Fit, refine, write."""
    args = parse_args()
    cfg = load_config(CONFIG, {
        'model.partial_checkpoint': True, 'model.text_encoder.bare': False})
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model).eval()
    load_checkpoint(model, args.weights, map_location='cpu', logger='silent')
    maps = CachedMaps(args.maps)
    head = FoldedHead.of(model.neck, model.bbox_head.head_module)
    names, vectors = read_name_vectors(args.vectors)
    classes = coco_classes()
    rows = training_names(names, classes, args.hold_out)
    print(f'{len(rows)} of {len(names)} names')
    vectors = vectors[rows]
    bank = encode_names(model.text_encoder, [names[row] for row in rows])
    adapter = start(args, bank, vectors)
    if args.steps:
        cells = sample_cells(maps, head, vectors, seed=args.seed)
        options = RefineOptions(
            steps=args.steps, lr=args.lr, score_weight=args.score_weight, over=args.over,
            bare=args.bare, detection_weight=args.detection)
        refine_adapter(
            adapter, bank, vectors, cells, options, args.seed,
            detection=build_detection(args, maps, head, model, classes),
            report=progress(args.steps))
    save(adapter, args, len(rows))
    print(f'written: {args.out}')


def coco_classes() -> list[str]:
    """COCO's 80 names, in the order of the labels."""
    from expalign.datasets import CocoDataset
    return list(CocoDataset.METAINFO['classes'])


def build_detection(args: argparse.Namespace, maps, head, model, classes: list[str]):
    """The detection terms that the command line asks for, or None."""
    if not args.detection:
        return None
    regulariser = None
    if args.consistency and any(args.consistency):
        sem, geo = args.consistency
        regulariser = MODELS.build(dict(
            type='expalign.ConsistencyRegularizer', sem=dict(loss_weight=sem),
            geo=dict(loss_weight=geo)))
    tokens, masks = model.text_encoder(classes)
    return detection_terms(
        maps, head, model.bbox_head, tokens, masks, consistency=regulariser, seed=args.seed)


if __name__ == '__main__':
    main()
