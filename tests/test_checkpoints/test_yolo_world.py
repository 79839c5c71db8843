"""Conversion of both layouts and all sizes; every tensor accounted for; clear errors."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from expalign.checkpoints.yolo_world import (
    ConversionError,
    Source,
    convert,
    detect_size,
    image_side_shapes,
    read_source,
)
from tests.helpers import yolo_world_layouts as layouts

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
LAYOUTS = {'ultralytics': layouts.ultralytics, 'mmyolo': layouts.mmyolo}


@pytest.fixture(scope='module')
def shapes():
    """Shapes of the model by size."""
    return {size: image_side_shapes(Config.fromfile(CONFIGS / f'expalign_v8{size}.py').model)
            for size in layouts.FACTORS}


def meta_source(kind, size):
    """A source without data."""
    return Source(kind, {
        name: torch.empty(shape, dtype=torch.float16, device='meta')
        for name, shape in LAYOUTS[kind](size).items()})


@pytest.mark.parametrize('size', layouts.FACTORS)
@pytest.mark.parametrize('kind', LAYOUTS)
def test_every_size_fits_its_config(kind, size, shapes):
    source = meta_source(kind, size)
    assert detect_size(source) == size
    converted = convert(source, shapes[size])
    assert converted.state_dict.keys() == shapes[size].keys()
    assert {name: x.shape for name, x in converted.state_dict.items()} == shapes[size]
    assert len(source.weights) == len(converted.state_dict) + len(converted.left_out)


# As the summaries of the original models have it; 16 are constants of the box distribution.
PARAMETERS = {'s': 12_759_880, 'm': 28_376_158, 'l': 46_832_050, 'x': 72_886_377}


@pytest.mark.parametrize('size', PARAMETERS)
def test_number_of_parameters(size, shapes):
    parameters = sum(
        shape.numel() for name, shape in shapes[size].items()
        if 'running_' not in name and 'num_batches' not in name)
    assert parameters == PARAMETERS[size] - 16


# Pairs that share a shape, which only a test by name can tell apart.
SAME_VALUES = {
    'ultralytics': {
        'model.2.m.0.cv1.conv.weight': 'backbone.stage1.1.blocks.0.conv1.conv.weight',
        'model.2.m.0.cv2.conv.weight': 'backbone.stage1.1.blocks.0.conv2.conv.weight',
        'model.4.m.1.cv2.bn.running_var': 'backbone.stage2.1.blocks.1.conv2.bn.running_var',
        'model.8.cv1.bn.bias': 'backbone.stage4.1.main_conv.bn.bias',
        'model.9.cv2.conv.weight': 'backbone.stage4.2.conv2.conv.weight',
        'model.12.attn.gl.weight': 'neck.pafpn.top_down_layers.0.gate.guide_proj.weight',
        'model.18.attn.gl.weight': 'neck.pafpn.bottom_up_layers.0.gate.guide_proj.weight',
        'model.18.attn.proj_conv.bn.weight':
            'neck.pafpn.bottom_up_layers.0.gate.value_conv.bn.weight',
        'model.21.attn.bias': 'neck.pafpn.bottom_up_layers.1.gate.bias',
        'model.16.conv.weight': 'neck.pafpn.downsample_layers.0.conv.weight',
        'model.22.cv2.1.2.bias': 'bbox_head.head_module.box_branches.1.2.bias',
        'model.22.cv3.2.1.bn.bias': 'neck.embed_branches.2.1.bn.bias',
        'model.22.cv4.0.norm.running_mean': 'neck.embed_norms.0.running_mean',
        'model.22.cv4.2.logit_scale': 'bbox_head.head_module.logit_scales.2',
        'model.22.cv4.1.bias': 'bbox_head.head_module.biases.1',
    },
    'mmyolo': {
        'backbone.image_model.stage2.1.blocks.1.conv2.bn.bias':
            'backbone.stage2.1.blocks.1.conv2.bn.bias',
        'neck.top_down_layers.0.attn_block.guide_fc.bias':
            'neck.pafpn.top_down_layers.0.gate.guide_proj.bias',
        'neck.bottom_up_layers.0.attn_block.project_conv.conv.weight':
            'neck.pafpn.bottom_up_layers.0.gate.value_conv.conv.weight',
        'neck.bottom_up_layers.0.attn_block.bias': 'neck.pafpn.bottom_up_layers.0.gate.bias',
        'bbox_head.head_module.reg_preds.0.1.conv.weight':
            'bbox_head.head_module.box_branches.0.1.conv.weight',
        'bbox_head.head_module.cls_preds.1.2.weight': 'neck.embed_branches.1.2.weight',
        'bbox_head.head_module.cls_contrasts.2.norm.running_var':
            'neck.embed_norms.2.running_var',
        'bbox_head.head_module.cls_contrasts.0.logit_scale':
            'bbox_head.head_module.logit_scales.0',
        'bbox_head.head_module.cls_contrasts.0.bias': 'bbox_head.head_module.biases.0',
    },
}


@pytest.mark.parametrize('kind', LAYOUTS)
def test_values_arrive_in_full_precision(kind, shapes):
    source = Source(kind, layouts.tensors(LAYOUTS[kind]('s')))
    state_dict = convert(source, shapes['s']).state_dict
    for theirs, ours in SAME_VALUES[kind].items():
        assert torch.equal(state_dict[ours], source.weights[theirs].float().reshape(
            state_dict[ours].shape)), ours
    dtypes = {x.dtype for name, x in state_dict.items() if 'num_batches_tracked' not in name}
    assert dtypes == {torch.float32}
    assert state_dict['backbone.stem.bn.num_batches_tracked'].item() == 7


def test_left_out_with_reasons(shapes):
    source = meta_source('ultralytics', 's')
    for name, shape in (('txt_feats', (1, 80, 512)), ('model.22.dfl.conv.weight', (1, 16, 1, 1)),
                        ('model.22.anchors', (2, 8400)), ('stride', (3,))):
        source.weights[name] = torch.empty(shape, device='meta')
    assert convert(source, shapes['s']).left_out == {
        'txt_feats': 'text vectors are no weights; --vectors writes them to a file',
        'model.22.dfl.conv.weight': 'the constants 0..15; the head has its own',
        'model.22.anchors': 'a constant of the architecture',
        'stride': 'a constant of the architecture'}


def test_counters_of_batches_may_be_absent(shapes):
    source = meta_source('mmyolo', 's')
    kept = {k: v for k, v in source.weights.items() if not k.endswith('num_batches_tracked')}
    converted = convert(source._replace(weights=kept), shapes['s'])
    assert len(converted.state_dict) == sum('num_batches' not in name for name in shapes['s'])


def test_wrong_shape_names_both_sides(shapes):
    source = meta_source('mmyolo', 's')
    name = 'bbox_head.head_module.cls_preds.0.2.weight'
    source.weights[name] = torch.empty(768, 128, 1, 1, device='meta')
    with pytest.raises(ConversionError) as error:
        convert(source, shapes['s'])
    assert (f'{name} (768, 128, 1, 1) -> neck.embed_branches.0.2.weight, which is '
            '(512, 128, 1, 1) in the model') in str(error.value)


def test_config_of_another_size(shapes):
    with pytest.raises(ConversionError) as error:
        convert(meta_source('ultralytics', 'm'), shapes['s'])
    text = str(error.value)
    assert 'model.0.conv.weight (48, 3, 3, 3) -> backbone.stem.conv.weight, which is (32,' in text
    assert 'more' in text and text.count('\n') < 15


def test_missing_and_superfluous_tensors(shapes):
    source = meta_source('ultralytics', 's')
    del source.weights['model.21.attn.gl.bias']
    source.weights['model.12.m.1.cv1.conv.weight'] = torch.empty(128, 128, 3, 3, device='meta')
    with pytest.raises(ConversionError) as error:
        convert(source, shapes['s'])
    assert 'nothing for neck.pafpn.bottom_up_layers.1.gate.guide_proj.bias (256,)' in str(
        error.value)
    assert ('model.12.m.1.cv1.conv.weight (128, 128, 3, 3) -> '
            'neck.pafpn.top_down_layers.0.blocks.1.conv1.conv.weight, which the model lacks'
            ) in str(error.value)


def test_unknown_tensors_are_refused(shapes):
    source = meta_source('mmyolo', 's')
    source.weights['neck.text_enhancer.query.0.weight'] = torch.empty(512, device='meta')
    with pytest.raises(ConversionError, match='1 tensors .* neck.text_enhancer.* YOLO-World v1'):
        convert(source, shapes['s'])


def test_unknown_size():
    source = meta_source('mmyolo', 's')
    source.weights['backbone.image_model.stem.conv.weight'] = torch.empty(16, 3, 3, 3)
    with pytest.raises(ConversionError, match=r'16 channels wide; known .* S \(32\), M \(48\)'):
        detect_size(source)


def test_reads_an_ultralytics_file(tmp_path):
    weights = layouts.tensors({
        name: shape for name, shape in layouts.ultralytics('s').items()
        if name.startswith(('model.0.', 'model.22.cv4.'))})
    vectors = torch.randn(1, 2, 512)
    layouts.save_ultralytics(tmp_path / 'a.pt', weights, ['cat', 'red dog'], vectors)
    source = read_source(tmp_path / 'a.pt')
    assert source.layout == 'ultralytics'
    assert source.weights.keys() == {*weights, 'txt_feats', 'model.22.anchors'}
    assert all(torch.equal(source.weights[name], x) for name, x in weights.items())
    assert source.prompts == ('cat', 'red dog')
    assert torch.equal(source.vectors, vectors[0])


def test_reads_a_file_of_the_repository(tmp_path):
    weights = layouts.tensors({'backbone.image_model.stem.conv.weight': (32, 3, 3, 3)})
    averaged = {f'module.{name}': x + 1 for name, x in weights.items()}
    torch.save({'meta': {'epoch': 100}, 'state_dict': weights, 'ema_state_dict': averaged,
                'optimizer': {'lr': 1.0}}, tmp_path / 'a.pth')
    source = read_source(tmp_path / 'a.pth')
    assert (source.layout, source.prompts, source.vectors) == ('mmyolo', (), None)
    assert source.weights.keys() == weights.keys()
    assert torch.equal(*(x['backbone.image_model.stem.conv.weight']
                         for x in (source.weights, weights)))


def test_other_checkpoints_are_refused(tmp_path):
    torch.save({'state_dict': {'backbone.conv1.weight': torch.zeros(1)}}, tmp_path / 'a.pth')
    with pytest.raises(ConversionError, match="no 'backbone.image_model.stem.conv.weight'"):
        read_source(tmp_path / 'a.pth')
    torch.save({'weights': 1}, tmp_path / 'b.pth')
    with pytest.raises(ConversionError, match="neither a 'state_dict'"):
        read_source(tmp_path / 'b.pth')
