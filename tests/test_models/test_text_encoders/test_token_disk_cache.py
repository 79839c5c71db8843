"""Vocabularies on disk: what comes back, and what is not trusted."""

import threading

import pytest
import torch

from expalign.checkpoints.encoder_fingerprint import encoder_fingerprint
from expalign.models.text_encoders import CLIPTokenEncoder, HFTokenEncoder, TokenDiskCache
from tests.helpers.tokenizers import (
    make_bert_tokenizer,
    make_clip_tokenizer,
    tiny_bert_config,
    tiny_clip_config,
)

PROMPTS = [f'{word} {number}' for word in ('cat', 'owl') for number in range(35)]
TOKENS = [torch.arange(4. * n).reshape(n, 4) for n in (2, 1, 3)]


@pytest.fixture(scope='module')
def tokenizers(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp('tokenizers')
    return make_clip_tokenizer(folder / 'clip'), make_bert_tokenizer(folder / 'bert')


def make_clip(tokenizers, folder, seed=0, **kwargs) -> CLIPTokenEncoder:
    torch.manual_seed(seed)
    return CLIPTokenEncoder(
        tiny_clip_config(), tokenizers[0], cache_dir=str(folder), **kwargs)


def encode(encoder, prompts=PROMPTS):
    with torch.no_grad():
        return encoder(prompts)


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """The number of prompts in every call of a CLIP tower."""
    calls, original = [], CLIPTokenEncoder.encode_batch
    monkeypatch.setattr(CLIPTokenEncoder, 'encode_batch',
                        lambda self, texts: calls.append(len(texts)) or original(self, texts))
    return calls


def test_a_second_run_encodes_nothing(tokenizers, tmp_path, encoded):
    first = encode(make_clip(tokenizers, tmp_path))
    assert sum(encoded) == 70
    second = encode(make_clip(tokenizers, tmp_path))
    assert sum(encoded) == 70
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours, theirs)
    assert [path.suffix for path in tmp_path.iterdir()] == ['.safetensors']


@pytest.mark.parametrize('change', ['weights', 'length', 'prompts', 'order'])
def test_another_encoder_or_vocabulary_is_encoded(tokenizers, tmp_path, encoded, change):
    encode(make_clip(tokenizers, tmp_path))
    encoder = make_clip(tokenizers, tmp_path, seed=change == 'weights',
                        **dict(max_length=3) if change == 'length' else {})
    prompts = {'prompts': [*PROMPTS[:-1], 'dog'], 'order': PROMPTS[::-1]}.get(change, PROMPTS)
    with pytest.warns(UserWarning, match='3 is the limit') if change == 'length' else (
            torch.no_grad()):
        found = encode(encoder, prompts)
    assert sum(encoded) == 140
    assert len(list(tmp_path.iterdir())) == 2
    expected = CLIPTokenEncoder.encode_batch(encoder, prompts[-1:])[0]
    torch.testing.assert_close(found[0][-1][found[1][-1]], expected)


def test_another_pooling_is_another_encoder(tokenizers, tmp_path):
    for pooling in ('mean', 'cls'):
        torch.manual_seed(0)
        encode(HFTokenEncoder(tiny_bert_config(), tokenizers[1], sentence_pooling=pooling,
                              cache_dir=str(tmp_path)))
    assert len(list(tmp_path.iterdir())) == 2


def test_new_weights_are_noticed(tokenizers, tmp_path, encoded):
    encoder, other = make_clip(tokenizers, tmp_path), make_clip(tokenizers, tmp_path, seed=1)
    encode(encoder)
    encoder.load_state_dict(other.state_dict())
    assert torch.equal(encode(encoder)[0], encode(other)[0])
    assert sum(encoded) == 140  # the third encoding came from the file of the second


def test_neither_few_prompts_nor_training_write_files(tokenizers, tmp_path):
    encoder = make_clip(tokenizers, tmp_path / 'new')
    encode(encoder, PROMPTS[:63])
    encoder(PROMPTS)
    encode(make_clip(tokenizers, tmp_path / 'new', frozen=False))
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize('damage', ['half', 'empty', 'other'])
def test_a_damaged_file_is_written_anew(tokenizers, tmp_path, encoded, damage):
    expected = encode(make_clip(tokenizers, tmp_path))
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    if damage == 'other':
        cache = TokenDiskCache(tmp_path / 'b')
        cache.save('x', ['a', 'b', 'c'], TOKENS)
        path.write_bytes(cache.path('x', ['a', 'b', 'c']).read_bytes())
    else:
        path.write_bytes(content[:len(content) // 2] if damage == 'half' else b'')
    found = encode(make_clip(tokenizers, tmp_path))
    assert torch.equal(found[0], expected[0])
    assert sum(encoded) == 140
    encode(make_clip(tokenizers, tmp_path))
    assert sum(encoded) == 140


def test_an_interrupted_write_leaves_no_file(tmp_path, monkeypatch):
    cache = TokenDiskCache(tmp_path)

    def fail(tensors, path, metadata):
        with open(path, 'wb') as file:
            file.write(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr('expalign.models.text_encoders.token_disk_cache.save_file', fail)
    with pytest.raises(KeyboardInterrupt):
        cache.save('x', ['a', 'b', 'c'], TOKENS)
    assert not list(tmp_path.iterdir())


def test_many_writers_of_one_file(tmp_path):
    cache = TokenDiskCache(tmp_path)
    writers = [threading.Thread(target=cache.save, args=('x', ['a', 'b', 'c'], TOKENS))
               for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = cache.load('x', ['a', 'b', 'c'])
    assert all(torch.equal(a, b) for a, b in zip(found, TOKENS, strict=True))
    assert len(list(tmp_path.iterdir())) == 1


def test_fingerprint_sees_every_weight_and_setting():
    weights = dict(a=torch.zeros(3), b=torch.ones(2, dtype=torch.bfloat16))
    prints = [
        encoder_fingerprint(weights, dict(x=1)),
        encoder_fingerprint(weights, dict(x=2)),
        encoder_fingerprint({**weights, 'b': weights['b'] * 2}, dict(x=1)),
        encoder_fingerprint({**weights, 'b': weights['b'].float()}, dict(x=1)),
        encoder_fingerprint(dict(a=weights['a'], c=weights['b']), dict(x=1)),
    ]
    assert len(set(prints)) == 5
    assert encoder_fingerprint(dict(reversed(weights.items())), dict(x=1)) == prints[0]
