"""Where weights are found, and the messages when they are not."""

import json
import sys

import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from transformers import BertConfig, BertModel

from expalign.models.utils.pretrained import (
    PretrainedModelError,
    config_from_dict,
    explain_failure,
    load_exactly,
    load_pretrained,
    load_tokenizer,
    read_optional_json,
    resolve_model_source,
)

TINY = dict(vocab_size=7, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
            num_attention_heads=1, max_position_embeddings=4)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)


@pytest.fixture
def tiny_folder(tmp_path):
    BertModel(BertConfig(**TINY)).save_pretrained(tmp_path)
    return tmp_path


def test_resolve_package_without_importing_it(tmp_path, monkeypatch):
    package = tmp_path / 'weights_for_test'
    (package / 'model').mkdir(parents=True)
    (package / '__init__.py').write_text('raise RuntimeError("must not be imported")')
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve_model_source('package:weights_for_test/model') == str(package / 'model')
    assert resolve_model_source('package:weights_for_test') == str(package)
    assert 'weights_for_test' not in sys.modules
    with pytest.raises(PretrainedModelError, match="'weights_for_test' has no 'other'"):
        resolve_model_source('package:weights_for_test/other')


def test_resolve_local_path_and_hub_name(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'clip').mkdir()
    assert resolve_model_source('~/clip') == str(tmp_path / 'clip')
    assert resolve_model_source('openai/clip-vit-large-patch14') == 'openai/clip-vit-large-patch14'


@pytest.mark.parametrize(('model', 'message'), [
    ('package:no_such_weights/model', "'no_such_weights' is not installed.*no-such-weights"),
    ('package:a.b/model', "'a.b' is not the import name"),
    ('./missing/model', "'./missing/model' does not exist"),
    ('a/b/c', "'a/b/c' does not exist"),
    ('weights.safetensors', "'weights.safetensors' does not exist"),
])
def test_resolve_names_what_is_missing(model, message):
    with pytest.raises(PretrainedModelError, match=message):
        resolve_model_source(model)


def test_resolve_takes_strings_only():
    with pytest.raises(TypeError, match='got int'):
        resolve_model_source(3)


def test_unreachable_hub_name(offline):
    with pytest.raises(PretrainedModelError) as caught:
        load_pretrained(BertModel, 'nobody/nothing', 'Encoder(model=...)')
    message = str(caught.value)
    assert message.startswith("Encoder(model=...): cannot load 'nobody/nothing'.")
    assert 'local copy' in message and 'HF_HOME' in message and 'HF_HUB_OFFLINE=1' in message
    assert 'http' not in message


@pytest.mark.parametrize(('kind', 'expected'), [
    (GatedRepoError, ['gated', 'licence', 'hf auth login', 'huggingface-cli login', 'HINT']),
    (RepositoryNotFoundError, ['no such repository', 'spelling', 'local folder']),
])
def test_refusals_of_the_hub(kind, expected):
    # transformers wraps the hub's error in an OSError.
    with pytest.raises(PretrainedModelError) as caught, explain_failure('E', 'o/m', 'HINT'):
        raise OSError('see the page') from kind.__new__(kind)
    assert all(part in str(caught.value) for part in expected)
    assert ('HINT' in str(caught.value)) is (kind is GatedRepoError)


def test_what_is_fetched_is_said(tiny_folder, monkeypatch, capsys):
    class Loader:
        @staticmethod
        def from_pretrained(source, **options):
            return BertModel.from_pretrained(tiny_folder, **options | dict(local_files_only=True))

    for offline, said in (('1', ''), ('0', 'Fetching nobody/nothing from the model hub\n')):
        monkeypatch.setenv('HF_HUB_OFFLINE', offline)
        load_pretrained(Loader, 'nobody/nothing', 'E')
        load_pretrained(Loader, str(tiny_folder), 'E')
        assert capsys.readouterr() == ('', said)


def test_code_of_a_model_is_not_run(tiny_folder):
    """Where a model brings code along, transformers asks at a terminal unless it is told."""
    told = []

    class Loader:
        @staticmethod
        def from_pretrained(source, **options):
            told.append(options['trust_remote_code'])
            return BertModel.from_pretrained(source, **options)

    load_pretrained(Loader, str(tiny_folder), 'E')
    assert told == [False]


def test_folder_without_a_model(tmp_path):
    with pytest.raises(PretrainedModelError, match='cannot load .*config.json'):
        load_pretrained(BertModel, str(tmp_path), 'Encoder(model=...)')
    with pytest.raises(PretrainedModelError, match=r'Encoder\(tokenizer=...\): cannot load'):
        load_tokenizer(str(tmp_path), 'Encoder(tokenizer=...)')


def test_unreadable_weights(tiny_folder):
    (tiny_folder / 'model.safetensors').write_bytes(b'not a tensor file')
    with pytest.raises(PretrainedModelError, match='cannot load .*SafetensorError'):
        load_pretrained(BertModel, str(tiny_folder), 'E')


def test_half_precision_checkpoint_is_loaded_in_float32(tiny_folder):
    saved = BertModel(BertConfig(**TINY)).half()
    saved.save_pretrained(tiny_folder)
    network = load_pretrained(BertModel, str(tiny_folder), 'E')
    weight = network.embeddings.word_embeddings.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight.half(), saved.embeddings.word_embeddings.weight)


def test_missing_keys_are_an_error(tmp_path):
    BertModel(BertConfig(**TINY), add_pooling_layer=False).save_pretrained(tmp_path)
    with pytest.raises(PretrainedModelError, match=r'2 missing keys \(pooler.dense.bias, pool'):
        load_pretrained(BertModel, str(tmp_path), 'E')
    load_pretrained(BertModel, str(tmp_path), 'E', allow_missing=('pooler.',))


def test_load_exactly_lists_every_kind_of_misfit():
    network = torch.nn.Linear(2, 3)
    with pytest.raises(PretrainedModelError, match=(
            r"E: the weights of 'm' do not fit Linear: 1 missing keys \(bias\); "
            r'1 unknown keys \(scale\); 1 reshaped keys \(weight\)')):
        load_exactly(network, dict(weight=torch.ones(3, 4), scale=torch.ones(1)), 'm', 'E')
    load_exactly(network, dict(weight=torch.ones(3, 2), bias=torch.ones(3)), 'm', 'E')
    assert network(torch.ones(1, 2)).tolist() == [[3.0, 3.0, 3.0]]


def test_config_from_dict_rejects_unknown_keys():
    assert config_from_dict(BertConfig, TINY, 'E').hidden_size == 8
    with pytest.raises(ValueError, match=r"E: BertConfig has no \['hiden_size'\]"):
        config_from_dict(BertConfig, dict(hiden_size=8), 'E')


def test_read_optional_json(tmp_path, offline):
    assert read_optional_json(str(tmp_path), 'a/b.json', 'E', 'x') is None
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/b.json').write_text(json.dumps(dict(c=1)))
    assert read_optional_json(str(tmp_path), 'a/b.json', 'E', 'x') == dict(c=1)
    with pytest.raises(PretrainedModelError, match="E: .*'nobody/nothing' has a 'b.json'. Give x"):
        read_optional_json('nobody/nothing', 'b.json', 'E', 'x')


def test_transformers_logging_is_left_as_it_was(tiny_folder):
    from transformers.utils import logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_pretrained(BertModel, str(tiny_folder), 'E')
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
