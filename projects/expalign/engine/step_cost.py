"""What one training step costs, measured, and what that means for many GPUs."""

import time
import warnings
from dataclasses import dataclass

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from mmengine.structures import InstanceData
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from expalign.structures.training_samples import TrainingSamples

BYTES = 4  # of a weight, a gradient and each state of the optimiser: all are in float32


@dataclass(frozen=True)
class StepCost:
    """Cost of a training step of one process.

    Attributes:
        trained: number of trained parameters.
        frozen: number of frozen parameters and of buffers.
        fixed_bytes: kept for the backward pass, whatever the number of images.
        sample_bytes: kept for the backward pass for each image.
        sample_flops: operations for each image, both passes; a multiply-add counts as two.
        sample_seconds: time for each image on the device that was measured.
        norms: number of batch normalisation layers that are trained.
    """

    trained: int
    frozen: int
    fixed_bytes: float
    sample_bytes: float
    sample_flops: float
    sample_seconds: float
    norms: int

    def memory(self, images: int, activations: float = 1.0) -> float:
        """Bytes of a process that trains on so many images at once.

        Weights, and for what is trained also gradients, two moments of AdamW and the moving
        average; ``activations`` is the factor of what is kept for the backward pass (0.5 where
        all of it is in half precision). Work space of libraries comes on top.
        """
        state = BYTES * (5 * self.trained + self.frozen)
        return state + activations * (self.fixed_bytes + images * self.sample_bytes)

    def gradient_bytes(self) -> int:
        """Bytes of all gradients, which every step averages over the processes."""
        return BYTES * self.trained

    def sent_bytes(self, processes: int) -> float:
        """Bytes that each process sends in a step for that average (ring all-reduce)."""
        return 2 * (processes - 1) / processes * self.gradient_bytes()


def measure_step(model: nn.Module, size: int, prompts: int, instances: int) -> StepCost:
    """Train on one, then on two generated images; differences are what an image costs.

    Args:
        model: a detector on the device to measure; it is left in training mode.
        size: side of the images in pixels.
        prompts: number of prompts of an image.
        instances: number of instances of an image, each with a mask.
    """
    model.train()
    model.text_encoder([f'object number {index}' for index in range(2 * prompts)])  # kept
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='training with one image a process')
        (one, flops_one, _), (two, flops_two, _) = (
            _run(model, generated_batch(model, count, size, prompts, instances), count_flops=True)
            for count in (1, 2))
    seconds = min(
        _run(model, generated_batch(model, 2, size, prompts, instances), count_flops=False)[2]
        for _ in range(2))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    everything = sum(x.numel() for x in (*model.parameters(), *model.buffers()))
    norms = sum(
        isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training
        for part in model.modules())
    return StepCost(
        trained, everything - trained, max(0, 2 * one - two), two - one, flops_two - flops_one,
        seconds / 2, norms)


def generated_batch(
    model: nn.Module, count: int, size: int, prompts: int, instances: int
) -> tuple[torch.Tensor, TrainingSamples]:
    """Noise on the model's device, and samples as the loader collates them, on the host.

    Instances are spread over the image; the prompts of no two images are the same.
    """
    device = next(model.parameters()).device
    samples = []
    for image in range(count):
        corners = torch.linspace(0, 0.7 * size, instances)
        boxes = torch.stack([corners, corners.flip(0), corners + size / 4,
                             corners.flip(0) + size / 4], 1)
        polygons = [[[x0, y0, x1, y0, x1, y1, x0, y1]] for x0, y0, x1, y1 in boxes.tolist()]
        sample = DetDataSample(metainfo=dict(
            img_id=image, ori_shape=(size, size), img_shape=(size, size),
            text=[f'object number {image * prompts + index}' for index in range(prompts)]))
        sample.gt_instances = InstanceData(
            bboxes=boxes,
            labels=torch.arange(instances) % prompts,
            masks=PolygonMasks(
                [[torch.tensor(p, dtype=torch.float64).numpy() for p in polygon]
                 for polygon in polygons], size, size))
        samples.append(sample)
    batch = TrainingSamples.of(samples)
    if device.type == 'cuda':
        batch = batch.pin_memory()
    return torch.randn(count, 3, size, size, device=device), batch


def _run(
    model: nn.Module, batch: tuple[torch.Tensor, TrainingSamples], count_flops: bool
) -> tuple[int, int, float]:
    """One forward and backward pass: bytes kept in between, operations, seconds."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    counter = FlopCounterMode(display=False)
    start = _now(batch[0].device)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        if count_flops:
            with counter:
                _step(model, *batch)
        else:
            _step(model, *batch)
    seconds = _now(batch[0].device) - start
    return sum(kept.values()), counter.get_total_flops() if count_flops else 0, seconds


def _step(model: nn.Module, images: torch.Tensor, samples: TrainingSamples) -> None:
    sum(model(images, samples, mode='loss').values()).backward()
    model.zero_grad()


def _now(device: torch.device) -> float:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()
