"""Task ``rates``: training steps and predictions as they run, in mixed precision where asked for.

A training step is forward pass, losses, backward pass and AdamW on the same generated batch. In
prediction the network (to class logits and box distributions) is timed beside the whole
``predict``. Weights are random; of the text encoder, whose features are kept, there is one layer.
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from mmengine.registry import init_default_scope
from prettytable import PrettyTable
from torch import nn

from expalign.engine.compiled import compile_model
from expalign.engine.step_cost import generated_batch
from expalign.registry import MODELS
from expalign.utils.load_config import load_config

from .model import sample
from .random_encoders import with_random_encoders, write_placeholder_tokenizer
from .random_model import use_random_prompts
from .timing import median, wall_seconds_of

DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}
WARM_UP = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--train', nargs='*', default=[], metavar='CONFIG', help='configs to train')
    parser.add_argument('--predict', nargs='*', default=[], metavar='CONFIG',
                        help='configs to predict with')
    parser.add_argument('--batch', type=int, nargs='+', default=[16], help='images at a time')
    parser.add_argument('--prompts', type=int, default=80)
    parser.add_argument('--instances', type=int, default=8, help='of a training image, with masks')
    parser.add_argument('--size', type=int, default=640, help='side of the images in pixels')
    parser.add_argument('--amp', choices=sorted(DTYPES), help='mixed precision')
    parser.add_argument('--compile', action='store_true', help='compile what can be compiled')
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--device', default='cpu')


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    if torch.device(args.device).type == 'cuda':
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision('high')
    table = PrettyTable(['config', 'B', 'ms', 'images/s', 'of it the network (ms)', 'whole / it'],
                        align='r')
    table.align['config'] = 'l'
    for number, config in enumerate((*args.train, *args.predict)):
        for batch in args.batch:
            times = (train if number < len(args.train) else predict)(config, batch, args)
            whole, network = (1000 * value if value else None for value in times)
            table.add_row([
                f'{config}, {"training" if network is None else "prediction"}', batch,
                f'{whole:.1f}', f'{1000 * batch / whole:.0f}', *(('', '') if network is None else (
                    f'{network:.1f}', f'{whole / network:.2f}'))])
    return (f'K = {args.prompts:,}, {args.size} x {args.size}, {args.amp or "float32"}'
            f'{", compiled" * args.compile}, {device_name(args.device)}, torch '
            f'{torch.__version__}, median of {args.repeats}\n{table}')


def train(config: str, batch: int, args: argparse.Namespace) -> tuple[float, None]:
    """Seconds of a training step."""
    model = build(config).to(args.device).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=trained[0].is_cuda)
    scaler = torch.amp.GradScaler(args.device, enabled=args.amp == 'fp16')
    images, samples = generated_batch(model, batch, args.size, args.prompts, args.instances)
    if args.compile:
        compile_model(model)

    def step() -> None:
        with precision(args):
            losses = model(images, samples, mode='loss')
        scaler.scale(model.parse_losses(losses)[0]).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    return timed(step, args.repeats), None


@torch.inference_mode()
def predict(config: str, batch: int, args: argparse.Namespace) -> tuple[float, float]:
    """Seconds of a prediction, and of the network in it."""
    model = build(config)
    use_random_prompts(model)
    model = model.to(args.device).eval()
    model.set_vocabulary([f'object {index}' for index in range(args.prompts)])
    if args.compile:
        compile_model(model, cuda_graphs=True)
    images = torch.randn(batch, 3, args.size, args.size, device=args.device)
    samples = [sample(args.size) for _ in range(batch)]
    with precision(args):
        prompts = model._encode_for_prediction([list(model.vocabulary)] * batch, samples)
        network = timed(lambda: model.bbox_head(model.extract_feat(images, prompts)), args.repeats)
        return timed(partial(model.predict, images, samples), args.repeats), network


def build(config: str) -> nn.Module:
    """A detector of full size but for the text encoder."""
    cfg = load_config(config)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        cfg = with_random_encoders(cfg, write_placeholder_tokenizer(folder))
        text = cfg.model.text_encoder.get('model')
        if isinstance(text, dict):
            text.update(num_hidden_layers=1)
        return MODELS.build(cfg.model).eval()


def precision(args: argparse.Namespace) -> AbstractContextManager:
    """The context of a forward pass."""
    return torch.autocast(args.device, DTYPES[args.amp]) if args.amp else nullcontext()


def timed(call: Callable[[], object], repeats: int) -> float:
    """The median of the seconds of some calls, after a few for nothing."""
    for _ in range(WARM_UP):
        call()
    return median([wall_seconds_of(call) for _ in range(repeats)])


def device_name(device: str) -> str:
    """What is measured on."""
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{torch.get_num_threads()} CPU threads'
