"""Two processes with two images each give the losses and gradients of one process with four.

Batch normalisation is in evaluation mode, all numbers are float64. The processes are real ones
(gloo) and the model is wrapped as the launcher wraps it.
"""

import copy

import pytest
import torch
from mmdet.structures.mask import PolygonMasks
from mmengine.model import MMDistributedDataParallel

from expalign.registry import MODELS
from tests.helpers.models import sample, tiny_segmentation_config
from tests.helpers.processes import fork_group

LOSSES = {'loss_cls', 'loss_bbox', 'loss_dfl', 'loss_mask', 'loss_sem', 'loss_geo'}
SIZE = 96


def image_sample(index, text, boxes, labels, has_mask):
    data_sample = sample(text, boxes, labels, SIZE)
    data_sample.set_metainfo(dict(img_id=index))
    instances = data_sample.gt_instances
    triangles = [[[x0, y0, x1, y0, (x0 + x1) / 2, y1]] for x0, y0, x1, y1 in boxes]
    instances.masks = PolygonMasks(
        [[torch.tensor(points).double().numpy() for points in polygons] for polygons in triangles],
        SIZE, SIZE)
    instances.has_mask = torch.tensor(has_mask, dtype=torch.bool)
    return data_sample


def samples() -> dict[str, list]:
    """Batches of four; the second half of each is as different from the first as it gets."""
    first = [
        image_sample(0, ['cat', 'a red dog', 'owl'], [[4, 4, 60, 50], [30, 30, 90, 90]], [0, 2],
                     [True, False]),
        image_sample(1, ['dog'], [[10, 40, 50, 94]], [0], [True])]
    many = [
        image_sample(2, ['owl', 'cat', 'x', 'a very long red prompt'],
                     [[0, 0, 95, 95], [2, 50, 40, 90], [60, 4, 92, 30]], [3, 1, 1],
                     [True, True, True]),
        image_sample(3, ['cat', 'dog'], [], [], [])]
    none = [image_sample(4, ['cat'], [], [], []), image_sample(5, ['dog', 'owl'], [], [], [])]
    boxes = [image_sample(6, ['owl', 'cat'], [[8, 8, 70, 60]], [1], [False]), none[0]]
    return dict(
        uneven=first + many,
        no_instance_in_one=first + none,
        no_mask_in_one=first + boxes,
        nothing_anywhere=none + none)


def losses_and_gradients(model, images, data_samples):
    """Values of the losses and the gradient of their sum by parameter."""
    model.zero_grad()
    losses = model(images, copy.deepcopy(data_samples), mode='loss')
    sum(losses.values()).backward()
    trained = getattr(model, 'module', model)
    gradients = {
        name: p.grad.clone() for name, p in trained.named_parameters() if p.requires_grad}
    return {name: value.detach() for name, value in losses.items()}, gradients


def run_two(rank, model, images, folder):
    wrapper = MMDistributedDataParallel(
        model, device_ids=None, broadcast_buffers=False, find_unused_parameters=False)
    mine = slice(2 * rank, 2 * rank + 2)
    results = {
        name: losses_and_gradients(wrapper, images[mine], data_samples[mine])
        for name, data_samples in samples().items()}
    torch.save(results, folder / f'{rank}.pth')


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """What one process and what each of two give for every batch."""
    folder = tmp_path_factory.mktemp('group')
    torch.manual_seed(0)
    config = tiny_segmentation_config(folder / 'tokenizer')
    # Below sqrt(n - 1): without clipping L_geo has no gradient to the softmax's denominator.
    config.consistency.geo = dict(clip=0.5)
    model = MODELS.build(config)
    model.init_weights()
    with torch.no_grad():  # the adapter starts as identity, which would hide its gradients
        for weight in model.text_adapter.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    model = model.double().eval()
    # Frozen tokens are kept in float32 at best.
    model.text_adapter.register_forward_pre_hook(lambda _, args: (args[0].double(), *args[1:]))
    images = torch.randn(4, 3, SIZE, SIZE, dtype=torch.float64)
    assert fork_group(run_two, 2, model, images, folder) == [0, 0]
    one = {name: losses_and_gradients(model, images, x) for name, x in samples().items()}
    return one, [torch.load(folder / f'{rank}.pth') for rank in (0, 1)]


@pytest.mark.parametrize('batch', list(samples()))
def test_two_processes_equal_one(results, batch):
    one, two = results[0][batch], [rank[batch] for rank in results[1]]
    assert set(one[0]) == LOSSES
    for name, value in one[0].items():
        mean = (two[0][0][name] + two[1][0][name]) / 2
        assert abs(mean - value) < 1e-6, name
    assert one[1].keys() == two[0][1].keys()
    for name, gradient in one[1].items():
        # Relative to the largest entry: early layers of an untrained model learn little.
        bound = 1e-6 * min(1, gradient.abs().max()) + 1e-15
        assert (two[0][1][name] - gradient).abs().max() <= bound, name
        assert torch.equal(two[0][1][name], two[1][1][name]), name


def test_every_loss_takes_part(results):
    values, gradients = results[0]['uneven']
    assert all(value.abs() > 1e-3 for value in values.values())
    # Only the coarsest box and coefficient branches may have no foreground here.
    idle = [name for name, gradient in gradients.items() if not gradient.any()]
    assert len(gradients) > 100
    assert all('box_branches' in name or 'coeff_branches' in name for name in idle)
    assert all(gradients[f'bbox_head.head_module.{kind}_branches.0.2.weight'].any()
               for kind in ('box', 'coeff'))
    zero = results[0]['nothing_anywhere'][0]
    assert all(zero[name] == 0 for name in LOSSES - {'loss_cls'}) and zero['loss_cls'] > 0


@pytest.mark.parametrize('name', sorted(LOSSES))
def test_local_normalisers_would_be_seen(results, name):
    """The two halves differ so much that a mean of local means is another number."""
    (first, _), (second, _) = (rank['no_instance_in_one'] for rank in results[1])
    assert (first[name] - second[name]).abs() > 1e-3
