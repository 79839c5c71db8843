"""Task ``postprocess``: from class logits to boxes, for several numbers of candidates.

Next to the whole, the choice of candidates is timed alone, and beside it the plain way: sigmoid of
everything, then a sort of what passes the threshold.
"""

import argparse
import math

import torch
from prettytable import PrettyTable
from torch import Tensor

from expalign.models.dense_heads import select_candidates
from expalign.models.dense_heads.class_wise_nms import FIRST_LOOK
from expalign.registry import MODELS
from expalign.utils.load_config import load_config

from .model import sample
from .timing import clock_name, interleaved, median, seconds_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--config', default='configs/expalign_cnxt_o365.py')
    parser.add_argument('--prompts', type=int, default=1203)
    parser.add_argument('--size', type=int, default=640, help='side of the image in pixels')
    parser.add_argument('--candidates', type=int, nargs='+', default=[300, 3000, 30000, 300000],
                        help='pairs of prior and prompt above the score threshold')
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--device', default='cpu')


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    from mmengine.registry import init_default_scope
    cfg = load_config(args.config)
    init_default_scope('mmdet')
    torch.manual_seed(0)
    head = MODELS.build(dict(cfg.model.bbox_head, train_cfg=None, test_cfg=cfg.model.test_cfg))
    head = head.to(args.device).eval()
    table = PrettyTable(['candidates', 'boxes', 'whole (ms)', 'choice (ms)', 'plain choice (ms)'],
                        align='r')
    for number in args.candidates:
        table.add_row(measure(head, number, args))
    return (f'{args.prompts:,} prompts, {args.size} x {args.size}, {torch.get_num_threads()} '
            f'threads, {args.device}, {clock_name()}, median of {args.repeats}\n{table}')


@torch.no_grad()
def measure(head: torch.nn.Module, number: int, args: argparse.Namespace) -> list[str]:
    """One row of the table."""
    settings = head.test_cfg
    logits, dists = make_maps(head, number, args)
    mask = torch.ones(1, args.prompts, dtype=torch.bool, device=args.device)
    flat = torch.cat([x.flatten(2) for x in logits], dim=2)
    found = []

    def whole() -> None:
        found[:] = head.predict_by_feat(logits, dists, mask, [sample(args.size).metainfo])

    results = interleaved(dict(
        whole=lambda: seconds_of(whole),
        choice=lambda: seconds_of(lambda: select_candidates(
            flat, mask, settings.score_thr, FIRST_LOOK * settings.max_per_img)),
        plain=lambda: seconds_of(lambda: plain_choice(
            flat[0], settings.score_thr, settings.nms_pre))), args.repeats)
    times = [f'{1000 * median(results[name]):.1f}' for name in ('whole', 'choice', 'plain')]
    return [f'{number:,}', f'{len(found[0]):,}', *times]


def make_maps(head: torch.nn.Module, number: int, args: argparse.Namespace) -> tuple[list, list]:
    """Random logits and box distributions per level, ``number`` logits above the threshold."""
    strides = head.head_module.featmap_strides
    cells = [args.size // stride for stride in strides]
    threshold = math.log(head.test_cfg.score_thr / (1 - head.test_cfg.score_thr))
    logits = [torch.randn(1, args.prompts, n, n, device=args.device) for n in cells]
    values = torch.cat([x.flatten() for x in logits])
    lowest = values.topk(min(number, len(values)), sorted=False).values.min()
    logits = [x + threshold - lowest + 1e-4 for x in logits]
    bins = 4 * head.head_module.reg_max
    return logits, [torch.randn(1, bins, n, n, device=args.device) for n in cells]


def plain_choice(logits: Tensor, score_thr: float, limit: int) -> tuple[Tensor, Tensor]:
    """Scores and pairs without any of the savings."""
    scores = logits.sigmoid()
    pairs = (scores > score_thr).nonzero()
    kept, order = scores[pairs[:, 0], pairs[:, 1]].sort(descending=True)
    return kept[:limit], pairs[order[:limit]]
