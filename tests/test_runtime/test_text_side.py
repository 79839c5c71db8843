"""Prompts without PyTorch become the features that they become with it."""

import numpy as np
import pytest
import torch

from expalign.runtime import OnnxTextSide

PROMPTS = ['cat', 'A Red dog!', 'owls on the left', '...', 'cat dog red ' * 8]


def assert_same_features(model, side, prompts) -> None:
    feats, masks = side.encode(prompts)
    with torch.no_grad():
        expected, expected_masks = model._encode_text(prompts)
    assert feats.dtype == np.float32 and masks.any(axis=0).all()
    for row in range(len(prompts)):
        np.testing.assert_allclose(
            feats[row, masks[row]], expected[row][expected_masks[row]], atol=2e-6)
    assert not feats[~masks].any()


@pytest.mark.parametrize('form', ['none', 'clip'])
def test_features(exports, form):
    exported = exports(form)
    side = OnnxTextSide(exported.text_file, threads=1)
    assert_same_features(exported.model, side, PROMPTS)
    assert_same_features(exported.model, side, ['cat'])


def test_more_prompts_than_a_batch(exports, monkeypatch):
    from expalign.runtime import text_side
    monkeypatch.setattr(text_side, 'BATCH_SIZE', 2)
    exported = exports('none')
    assert_same_features(exported.model, OnnxTextSide(exported.text_file, threads=1), PROMPTS)


@pytest.mark.parametrize('pooling', ['mean', 'eot'])
def test_token_pooling(exports, tmp_path, pooling):
    from copy import deepcopy

    from expalign.deploy.export_text import export_text_side
    model = deepcopy(exports('none').model)
    model.text_adapter.token_pooling = pooling
    export_text_side(model, tmp_path / 'text.onnx')
    side = OnnxTextSide(tmp_path / 'text.onnx', threads=1)
    assert_same_features(model, side, PROMPTS)
    assert side.encode(PROMPTS)[0].shape[1] == 1


def test_bare_prompts(exports, tmp_path):
    """What the encoder leaves out of a prompt, the exported text side leaves out, too."""
    from copy import deepcopy

    from expalign.deploy.export_text import export_text_side
    model = deepcopy(exports('none').model)
    model.text_encoder.bare = True
    export_text_side(model, tmp_path / 'text.onnx')
    side = OnnxTextSide(tmp_path / 'text.onnx', threads=1)
    assert side.settings.bare and not exports('none').model.text_encoder.bare
    assert_same_features(model, side, [*PROMPTS, 'a red cat', 'a photo of dogs'])
    feats, masks = side.encode(['cat', 'a photo of the cats'])
    np.testing.assert_array_equal(feats[0], feats[1])
    assert masks.sum(1).tolist() == [2, 2]  # the word and the sentence vector


def test_prompts_padded_to_the_limit(exports, tmp_path):
    from copy import deepcopy

    from transformers import SiglipConfig, SiglipModel

    from expalign.deploy.export_text import export_text_side
    from expalign.models.text_encoders import HFTokenEncoder
    from tests.helpers.tokenizers import make_bert_tokenizer
    sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    SiglipModel(SiglipConfig(
        text_config=dict(vocab_size=144, max_position_embeddings=12, projection_size=16,
                         pad_token_id=0, bos_token_id=2, eos_token_id=3, **sizes),
        vision_config=dict(image_size=8, patch_size=4, **sizes))).save_pretrained(tmp_path)
    model = deepcopy(exports('none').model)
    model.text_encoder = HFTokenEncoder(make_bert_tokenizer(tmp_path, max_length=12))
    export_text_side(model, tmp_path / 'text.onnx')
    side = OnnxTextSide(tmp_path / 'text.onnx', threads=1)
    assert side.settings.padding == 'max_length'
    assert_same_features(model, side, ['cat', 'red dog'])


def test_a_prompt_that_is_too_long_is_named(exports):
    side = OnnxTextSide(exports('none').text_file, threads=1)
    prompt = 'dog ' * 70
    with pytest.warns(UserWarning, match="more than 64 tokens; the rest is cut off: 'dog dog"):
        _, masks = side.encode([prompt])
    assert masks.sum() == 62 + 1  # without [CLS] and [SEP], with the sentence vector


def test_files_that_do_not_belong_together(exports, tmp_path):
    exported = exports('none')
    side = tmp_path / 'text.onnx'
    side.write_bytes(exported.text_file.read_bytes())
    with pytest.raises(FileNotFoundError, match='text.tokenizer.json must lie beside'):
        OnnxTextSide(side)
    (tmp_path / 'text.tokenizer.json').write_text('{}')
    with pytest.raises(ValueError, match='is not the tokenizer .* sha256 is 44136fa355b3'):
        OnnxTextSide(side)
    with pytest.raises(ValueError, match=r'm.onnx is not a text side \(--text-side\) that'):
        OnnxTextSide(exported.detector_file)
    with pytest.raises(FileNotFoundError, match='ONNX file nowhere.onnx does not exist'):
        OnnxTextSide('nowhere.onnx')


def test_prompt_vectors_have_no_network(exports, tmp_path):
    from types import SimpleNamespace

    from expalign.deploy.export_settings import ExportError
    from expalign.deploy.export_text import export_text_side
    model = SimpleNamespace(text_encoder=object(), tuned_prompts=None)
    model.eval = lambda: model
    with pytest.raises(ExportError, match=r'object has no network to export; bake the vocabulary'):
        export_text_side(model, tmp_path / 'text.onnx')


@pytest.mark.parametrize('pooling', ['expectation', 'eot'])
def test_known_names(exports, tmp_path, pooling):
    from copy import deepcopy

    from expalign.deploy.export_text import export_text_side
    from expalign.models.text_encoders import KnownNames
    from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
    model = deepcopy(exports('none').model)
    model.text_adapter.token_pooling = pooling
    width = model.neck.embed_dims
    write_prompt_vectors(tmp_path / 'names.npz', ['cat', 'red dogs'], torch.eye(2, width))
    model.known_names = KnownNames(str(tmp_path / 'names.npz'))
    export_text_side(model, tmp_path / 'text.onnx')
    side = OnnxTextSide(tmp_path / 'text.onnx', threads=1)
    assert side.settings.known_names == ['cat', 'red dogs']
    prompts = ['A  Cat', *PROMPTS, 'the red dog', 'cats']
    assert_same_features(model, side, prompts)
    feats, masks = side.encode(prompts)
    for row, name in ((0, 0), (1, 0), (len(prompts) - 2, 1), (len(prompts) - 1, 0)):
        assert masks[row].tolist() == [True] + [False] * (masks.shape[1] - 1)
        assert feats[row, 0].tolist() == np.eye(2, width)[name].tolist()
    assert side.encode(['cat', 'red dog'])[0].shape == (2, 1, width)
