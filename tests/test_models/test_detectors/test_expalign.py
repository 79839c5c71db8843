"""The detector: modes, prompts of any mix, vocabulary, frozen encoders, checkpoints."""

import pytest
import torch

from expalign.models.detectors import takes_checkpoints
from expalign.models.layers import FoldedMaps
from expalign.registry import MODELS
from expalign.structures import prompts
from tests.helpers.models import sample, tiny_detector_config, tiny_segmentation_config


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    model = MODELS.build(config)
    # Away from the start, where the adapter is the identity and every score is tiny.
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.1)
    for bias in model.bbox_head.head_module.biases:
        torch.nn.init.constant_(bias, -1.0)
    return model


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def predictions(model, images, *samples):
    if model.training:
        model.eval()
    with torch.no_grad():
        return [x.pred_instances for x in model.predict(images, list(samples))]


def assert_same(a, b, labels=None):
    torch.testing.assert_close(a.bboxes, b.bboxes)
    torch.testing.assert_close(a.scores, b.scores)
    expected = a.labels if labels is None else torch.tensor(labels)[a.labels]
    assert torch.equal(expected, b.labels)


def test_losses_reach_what_is_trained_and_nothing_that_is_frozen(model, images):
    model.train()
    samples = [sample(['cat', 'a dog']), sample(['owl', 'red', 'dog'], labels=[2])]
    losses = model.loss(images, samples)
    assert set(losses) == {'loss_cls', 'loss_bbox', 'loss_dfl'}
    sum(losses.values()).backward()
    frozen = ('backbone.', 'text_encoder.')
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name
    assert not model.backbone.model.training
    assert not model.text_encoder.model.training


def test_mixed_prompt_counts_equal_single_images(model, images):
    texts = [['cat', 'a red dog'], ['owl', 'dog', 'red cat on a mat', 'x'],]
    together = predictions(model, images, *(sample(text) for text in texts))
    for i, text in enumerate(texts):
        alone = predictions(model, images[i:i + 1], sample(text))[0]
        assert_same(alone, together[i])
        assert together[i].label_names == [text[label] for label in together[i].labels]
        assert len(set(together[i].labels.tolist())) == len(text)


def test_order_of_prompts_permutes_labels(model, images):
    one = predictions(model, images[:1], sample(['cat', 'dog', 'owl']))[0]
    two = predictions(model, images[:1], sample(['owl', 'cat', 'dog']))[0]
    assert_same(one, two, labels=[1, 2, 0])


def test_duplicates_are_kept_and_scored_once(model, images):
    plain = predictions(model, images[:1], sample(['cat', 'dog']))[0]
    prompts._warned_duplicates.clear()
    with pytest.warns(UserWarning, match='duplicate prompts'):
        doubled = predictions(model, images[:1], sample(['cat', 'cat', 'dog']))[0]
    assert_same(plain, doubled, labels=[0, 2])


def test_case_counts_for_data_sets_alone(model, images):
    plain = predictions(model, images[:1], sample(['cat', 'dog']))[0]
    spelled = ['cat', 'Cat', ' CAT', 'dog']
    for given in (sample(spelled, custom_entities=False), sample()):
        model.set_vocabulary(spelled)
        with pytest.warns(UserWarning, match=r"duplicate prompts .*\['cat'\]"):
            prompts._warned_duplicates.clear()
            assert_same(plain, predictions(model, images[:1], given)[0], labels=[0, 3])
    # The test's tokenizer knows no capitals: 'Cat' is another prompt of the same words.
    classes = predictions(model, images[:1], sample(spelled))[0]
    assert {0, 1, 2, 3} == set(classes.labels.tolist())


def test_truth_under_a_duplicate_counts_for_the_first(model, images):
    model.eval()
    first = model.loss(images[:1], [sample(['gnu', 'gnu', 'dog'], labels=[0])])
    second = model.loss(images[:1], [sample(['gnu', 'gnu', 'dog'], labels=[1])])
    for name in first:
        torch.testing.assert_close(first[name], second[name])


def test_masked_prompts_are_neither_scored_nor_negatives(model, images):
    masked = predictions(
        model, images[:1], sample(['cat', 'owl', 'dog'], prompt_masks=[True, False, True]))[0]
    plain = predictions(model, images[:1], sample(['cat', 'dog']))[0]
    assert_same(plain, masked, labels=[0, 2])
    a = model.loss(images[:1], [sample(['cat', 'owl', 'dog'], prompt_masks=[True, False, True])])
    b = model.loss(images[:1], [sample(['cat', 'dog'])])
    torch.testing.assert_close(a['loss_cls'], b['loss_cls'])


def test_strings_follow_custom_entities(model, images):
    listed = predictions(model, images[:1], sample(['cat', 'dog']))[0]
    split = predictions(model, images[:1], sample('cat . dog.', custom_entities=True))[0]
    assert_same(listed, split)
    whole = predictions(model, images[:1], sample('cat . dog', custom_entities=False))[0]
    assert set(whole.label_names) == {'cat . dog'}


def test_vocabulary_serves_images_without_text(model, images):
    with pytest.raises(ValueError, match=r'no prompts for image .*set_vocabulary'):
        predictions(model, images[:1], sample())
    model.set_vocabulary('cat . dog', custom_entities=True)
    assert_same(
        predictions(model, images[:1], sample(['cat', 'dog']))[0],
        predictions(model, images[:1], sample())[0])
    with pytest.raises(ValueError, match='only white space'):
        model.set_vocabulary(['cat', ' '])


def test_folding_follows_mode_and_weights(model, images):
    """Kept prompts are folded in evaluation; training and changed weights are not affected."""
    text = ['cat', 'a red dog']

    def folded_and_plain():
        model.eval()
        return kept_and_plain_logits(model, images, text)

    folded, plain = folded_and_plain()
    for a, b in zip(folded, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)

    def losses():
        model.train()
        torch.manual_seed(0)
        state = {name: x.clone() for name, x in model.state_dict().items()}
        out = model.loss(images, [sample(text), sample(text)])
        model.load_state_dict(state)
        return out

    before = losses()
    folded_and_plain()
    for name, value in losses().items():
        assert torch.equal(value, before[name])
    with torch.no_grad():
        model.neck.embed_norms[0].running_mean.add_(1)
    changed, plain = folded_and_plain()
    torch.testing.assert_close(changed[0], plain[0], rtol=0, atol=1e-5)
    assert not torch.allclose(changed[0], folded[0])


@torch.no_grad()
def kept_and_plain_logits(model, images, text):
    """Logits of a kept vocabulary, and those that the head makes of maps."""
    kept = model._encode_for_prediction([text] * 2, [sample(text)] * 2)
    assert kept.table is not None
    folded, plain = (
        model.extract_feat(images, prompts) for prompts in (kept, kept._replace(table=None)))
    assert isinstance(folded.eams, FoldedMaps) and isinstance(plain.eams, tuple)
    return model.bbox_head(folded)[0], model.bbox_head(plain)[0]


@pytest.mark.parametrize('make', [tiny_detector_config, tiny_segmentation_config])
def test_folded_logits_are_the_scaled_maps(tmp_path, images, make):
    torch.manual_seed(0)
    model = MODELS.build(make(tmp_path)).double().eval()
    model.text_adapter.float()  # as the tokens are; both ways cast its output
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.1)
    for text in (['cat', 'a red dog on a mat', 'owl'], ['cat']):
        folded, plain = kept_and_plain_logits(model, images.double(), text)
        for a, b in zip(folded, plain, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize('name', ['logit_scales', 'biases'])
def test_kept_logits_follow_scale_and_bias(model, images, name):
    text = ['cat', 'a red dog']
    model.eval()
    before, _ = kept_and_plain_logits(model, images, text)
    with torch.no_grad():
        getattr(model.bbox_head.head_module, name)[1].add_(0.5)
    after, plain = kept_and_plain_logits(model, images, text)
    for a, b in zip(after, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    assert torch.equal(after[0], before[0]) and not torch.allclose(after[1], before[1])


def count_calls(model, monkeypatch):
    """A list that grows with every call of the text adapter."""
    calls, forward = [], model.text_adapter.forward
    monkeypatch.setattr(
        model.text_adapter, 'forward', lambda *args: calls.append(1) or forward(*args))
    return calls


@torch.inference_mode()
def test_model_built_in_inference_mode(model, config, images, monkeypatch):
    built = MODELS.build(config)
    built.load_state_dict(model.state_dict())
    calls = count_calls(built, monkeypatch)
    samples = [sample(['cat', 'a red dog']) for _ in images]
    for a, b in zip(predictions(built, images, *samples), predictions(model, images, *samples),
                    strict=True):
        assert_same(a, b)
    before = predictions(built, images, *samples)[0]
    assert len(calls) == 1
    state = {name: x.clone() for name, x in model.state_dict().items()}
    state['text_adapter.ffn.w3.bias'] += torch.randn(16)
    built.load_state_dict(state)
    after = predictions(built, images, *samples)[0]
    assert len(calls) == 2 and not torch.equal(before.scores, after.scores)


def test_tokens_of_a_vocabulary_are_encoded_once_until_weights_change(model, images, monkeypatch):
    calls = count_calls(model, monkeypatch)
    model.set_vocabulary(['cat', 'dog'])
    before = predictions(model, images, sample(), sample())[0]
    predictions(model, images, sample(), sample(['cat', 'dog']))
    assert len(calls) == 1
    with torch.no_grad():
        model.text_adapter.ffn.w3.bias.add_(torch.randn(16))
    after = predictions(model, images, sample(), sample())[0]
    assert len(calls) == 2
    assert not torch.equal(before.scores, after.scores)


def test_weights_exchanged_unseen_are_noticed_at_the_next_eval(model, images):
    """As moving averages are: through ``.data``, then ``model.eval()``."""
    model.set_vocabulary(['cat', 'dog'])
    before = predictions(model, images, sample(), sample())[0]
    model.text_adapter.ffn.w3.bias.data.copy_(torch.randn(16))
    model.eval()
    assert not torch.equal(predictions(model, images, sample(), sample())[0].scores, before.scores)


def test_loading_weights_renews_the_vocabulary(model, images):
    model.set_vocabulary(['cat', 'dog'])
    before = predictions(model, images, sample(), sample())[0]
    state = {k: v.clone() for k, v in model.state_dict().items()}
    state['text_adapter.ffn.w3.bias'] += torch.randn(16)
    model.load_state_dict(state)
    assert not torch.equal(predictions(model, images, sample(), sample())[0].scores, before.scores)


def test_tensor_mode_gives_raw_maps(model, images):
    model.set_vocabulary(['cat', 'dog', 'owl'])
    logits, dists = model(images, mode='tensor')
    assert [tuple(x.shape) for x in logits] == [(2, 3, 8, 8), (2, 3, 4, 4), (2, 3, 2, 2)]
    assert [tuple(x.shape) for x in dists] == [(2, 64, 8, 8), (2, 64, 4, 4), (2, 64, 2, 2)]


@pytest.mark.parametrize('prompts', [1, 7, 40, 80, 81, 1203])
def test_one_set_of_weights_serves_any_number_of_prompts(model, images, prompts):
    texts = [f'thing {i}' for i in range(prompts)]
    result = predictions(model, images[:1], sample(texts))[0]
    assert 0 < len(result.bboxes) <= 50
    assert result.labels.min() >= 0 and result.labels.max() < prompts
    assert result.label_names == [texts[label] for label in result.labels]


@pytest.mark.parametrize('pooling', ['mean', 'eot'])
def test_poolings_train_and_predict(tmp_path, pooling, images):
    model = MODELS.build(tiny_detector_config(tmp_path, token_pooling=pooling))
    sum(model.loss(images, [sample(['cat', 'a dog'])] * 2).values()).backward()
    assert model.text_adapter.ffn.w3.weight.grad.abs().sum() > 0
    assert len(predictions(model, images, *[sample(['cat', 'dog'])] * 2)) == 2


def test_checkpoint_of_another_model_is_refused_by_name_and_shape(model, config):
    state = model.state_dict()
    key = 'neck.embed_branches.0.2.weight'
    state[key] = state[key][:5]
    del state['text_adapter.proj.weight']
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(state, strict=False)
    message = str(error.value)
    assert f'{key} (5, 8, 1, 1) instead of (10, 8, 1, 1)' in message
    assert '1 missing from the checkpoint (text_adapter.proj.weight)' in message
    assert 'model.partial_checkpoint=True' in message


def test_checkpoint_without_frozen_encoders_is_whole(model, config):
    state = {k: v for k, v in model.state_dict().items()
             if not k.startswith(('backbone.', 'text_encoder.'))}
    other = MODELS.build(config)
    encoders = {k: v.clone() for k, v in other.state_dict().items() if k not in state}
    assert encoders
    other.load_state_dict(state)  # strictly, so nothing is reported as missing
    for name, value in other.state_dict().items():
        assert torch.equal(value, {**state, **encoders}[name])


def test_unfrozen_encoders_start_from_their_own_weights(model, config, monkeypatch):
    lines = []
    monkeypatch.setattr(takes_checkpoints, 'print_log', lambda line, *_, **__: lines.append(line))
    state = {k: v for k, v in model.state_dict().items() if not k.startswith('text_encoder.')}
    trained = {**config, 'text_encoder': {**config['text_encoder'], 'frozen': False}}
    other = MODELS.build(trained)
    own = {k: v.clone() for k, v in other.state_dict().items() if k not in state}
    other.load_state_dict(state)
    for name, value in other.state_dict().items():
        assert torch.equal(value, {**state, **own}[name])
    assert own and lines == ['the checkpoint has no text_encoder, which this model trains: it '
                             "starts from the encoder's own weights"]
    del state['text_adapter.proj.weight']
    with pytest.raises(RuntimeError, match=r'1 missing from the checkpoint \(text_adapter.proj'):
        other.load_state_dict(state)


def test_partial_checkpoint_is_accepted_where_the_config_says_so(model, config):
    state = model.state_dict()
    del state['text_adapter.proj.weight']
    MODELS.build({**config, 'partial_checkpoint': True}).load_state_dict(state, strict=False)


def test_the_detection_form_takes_a_checkpoint_with_masks_and_says_so_once(
        tmp_path, model, monkeypatch, images):
    lines = []
    monkeypatch.setattr(takes_checkpoints, 'print_log', lambda line, *_, **__: lines.append(line))
    state = MODELS.build(tiny_segmentation_config(tmp_path)).state_dict()
    extra = [name for name in state if name not in model.state_dict()]
    assert model.load_state_dict(state).unexpected_keys == []  # strictly
    assert lines == [f'the checkpoint has mask branches ({len(extra)} weights), which this model, '
                     'the detection form, does not use']
    assert len(extra) == len(state) - len(model.state_dict()) > 40
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize(('removed', 'added', 'word'), [
    ('prototype_branch', None, 'unknown'), ('coeff_branches', None, 'unknown'),
    (None, 'mask_head.weight', 'unknown'), ('box_branches', None, 'missing')])
def test_any_other_difference_stays_an_error(tmp_path, model, removed, added, word):
    state = MODELS.build(tiny_segmentation_config(tmp_path)).state_dict()
    state = {name: x for name, x in state.items() if removed is None or removed not in name}
    if added:
        state[added] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=f'does not match the model: [0-9]+ {word}'):
        model.load_state_dict(state)
    if added:
        with pytest.raises(RuntimeError, match=r'1 unknown to the model \(mask_head'):
            model.load_state_dict(state)


def test_a_model_with_masks_does_not_take_a_checkpoint_without(tmp_path, model):
    with pytest.raises(RuntimeError, match='missing from the checkpoint'):
        MODELS.build(tiny_segmentation_config(tmp_path)).load_state_dict(model.state_dict())
