"""A detector that knows its classes: used without a text, saved with weights, tuned prompts."""

import pytest
import torch
from mmengine.runner.checkpoint import get_state_dict, load_state_dict

from expalign.checkpoints.safe_load import load_torch_file
from expalign.registry import MODELS
from tests.helpers.models import sample, tiny_detector_config

KNOWN = dict(names=['cat', 'a dog'], thresholds=[0.25, None], exclusive=True)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


def build(config, **settings):
    torch.manual_seed(0)
    model = MODELS.build({**config, **settings})
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.1)
    for bias in model.bbox_head.head_module.biases:
        torch.nn.init.constant_(bias, -1.0)
    return model.eval()


@pytest.fixture
def images():
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def found(model, images, text=None):
    data_sample = sample(text or ['x'])
    if text is None:
        del data_sample.text
    with torch.no_grad():
        return model.predict(images, [data_sample])[0].pred_instances


def test_known_classes_are_searched_for_without_a_text_and_a_text_wins(config, images):
    model = build(config, known_classes={**KNOWN, 'exclusive': False})
    result, asked = found(model, images), found(model, images, ['cat', 'a dog'])
    assert len(result) and set(result.label_names) <= {'cat', 'a dog'}
    assert torch.equal(result.bboxes, asked.bboxes)
    assert set(found(model, images, ['owl']).label_names) == {'owl'}
    model.set_vocabulary(['owl'])
    assert set(found(model, images).label_names) == {'owl'}


def test_classes_that_exclude_each_other_share_no_place(config, images):
    model = build(config, known_classes=KNOWN)
    result, asked = found(model, images), found(model, images, ['cat', 'a dog'])
    assert 0 < len(result) < len(asked)  # both prompts have boxes at the same places
    # Each box is the best of its place, whatever its class.
    overlaps = torch.triu(_iou(result.bboxes), diagonal=1)
    assert overlaps.max() <= model.bbox_head.test_cfg['nms']['iou_threshold']


def _iou(boxes):
    from expalign.structures.exclusive_boxes import box_iou
    return torch.from_numpy(box_iou(boxes.numpy(), boxes.numpy()))


@pytest.mark.parametrize('state_of', [
    lambda model: model.state_dict(), get_state_dict], ids=['torch', 'mmengine'])
def test_they_travel_with_the_weights(config, tmp_path, state_of):
    torch.save(dict(state_dict=state_of(build(config, known_classes=KNOWN))), tmp_path / 'a.pth')
    state = load_torch_file(tmp_path / 'a.pth')['state_dict']
    other = build(config)
    load_state_dict(other, state, strict=True)
    assert other.known_classes.to_plain() == KNOWN
    # Thresholds come with weights; other classes of a config stay.
    same = build(config, known_classes=dict(names=['cat', 'a dog']))
    load_state_dict(same, state, strict=True)
    assert same.known_classes.thresholds == (0.25, None)
    changed = build(config, known_classes=dict(names=['owl']))
    load_state_dict(changed, state, strict=True)
    assert changed.known_classes.names == ('owl',)


def test_a_damaged_record_is_one_error(config):
    state = build(config, known_classes=KNOWN).state_dict()
    state._metadata['']['known_classes'] = dict(names=[7])
    with pytest.raises(ValueError, match="^the checkpoint's record of known classes"):
        build(config).load_state_dict(state)


def tuned(config):
    width = config['neck']['embed_dims']
    return dict(known_classes=KNOWN, tuned_prompts=dict(
        type='expalign.TunedPrompts', num_prompts=2, embed_dims=width))


def test_tuned_prompts_start_as_nothing_and_change_their_classes_alone(config, images):
    plain, model = build(config), build(config, **tuned(config))
    model.load_state_dict(plain.state_dict())  # has none of them: they start at zero
    texts = ['owl', 'cat']
    before = found(plain, images, texts)
    assert torch.equal(found(model, images, texts).scores, before.scores)
    with torch.no_grad():
        model.tuned_prompts.offsets[0] = 1.0
    feats, masks = model._encode_text(['owl', 'CAT', 'a dog'])
    own, _ = plain._encode_text(['owl', 'CAT', 'a dog'])
    assert torch.equal(feats[[0, 2]], own[[0, 2]])
    expected = own[1] + masks[1][:, None]
    torch.testing.assert_close(feats[1], expected)
    assert not torch.equal(found(model, images, texts).scores, before.scores)


def test_only_the_prompts_are_trained(config, images):
    model = build({**config, 'type': 'expalign.PartlyTrainedDetector'}, **tuned(config),
                  trained=['tuned_prompts']).train()
    sum(model.loss(images, [sample(['cat', 'a dog'], labels=[1])]).values()).backward()
    assert [name for name, x in model.named_parameters() if x.grad is not None] == [
        'tuned_prompts.offsets']
    assert (model.tuned_prompts.offsets.grad != 0).any(1).all()


def test_tuned_prompts_of_other_classes_are_refused(config):
    state = build(config, **tuned(config)).state_dict()
    other = {**tuned(config), 'known_classes': dict(names=['cat', 'owl'])}
    with pytest.raises(RuntimeError, match=r"tuned prompts of the classes \['cat', 'a dog'\]"):
        build(config, **other).load_state_dict(state)
