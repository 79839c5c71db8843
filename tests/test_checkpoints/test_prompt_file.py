"""Files of prompts: what is written is read, what is damaged is named."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from expalign.apis.texts import prompts_of_images, read_vocabulary
from expalign.checkpoints.prompt_file import HEADER, has_prompts, load_prompts, save_prompts
from expalign.limits import LimitExceeded
from expalign.structures.prompt_set import PromptSet
from expalign.structures.token_prompt import TokenPrompt

MUG = TokenPrompt('my mug', np.linspace(-1, 1, 8).reshape(2, 4), 'abc')
JUG = TokenPrompt('jug', np.ones((1, 4)))


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / 'mine.safetensors'
    save_prompts([MUG, JUG], file)
    loaded = load_prompts(file)
    assert isinstance(loaded, PromptSet) and loaded == (MUG, JUG)
    assert [prompt.space for prompt in loaded] == ['abc', '']
    assert has_prompts(file) and file.stat().st_size < 1000
    # It is a vocabulary wherever a file of words is one.
    assert read_vocabulary(str(file)) == [MUG, JUG]
    (first, second) = prompts_of_images([['cat'], ['dog', loaded]], 2)
    assert (first, second) == (['cat'], ['dog', MUG, JUG])
    assert next(iter(prompts_of_images(['cat', loaded], 1))) == ['cat', MUG, JUG]
    # One list of sets is what all images are searched for, not a list an image.
    assert next(iter(prompts_of_images([loaded], 5))) == [MUG, JUG]


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r'must end in .safetensors'):
        save_prompts([MUG], tmp_path / 'mine.npz')
    with pytest.raises(TypeError, match="'cat' is a word"):
        save_prompts([MUG, 'cat'], tmp_path / 'mine.safetensors')
    with pytest.raises(ValueError, match="'my mug' bring different"):
        save_prompts([MUG, JUG.renamed('my mug')], tmp_path / 'mine.safetensors')
    with pytest.raises(ValueError, match='twice'):
        save_prompts([MUG, MUG], tmp_path / 'mine.safetensors')
    assert not list(tmp_path.iterdir())


GOOD = dict(names=['a', 'b'], lengths=[1, 2], spaces=['', ''])


@pytest.mark.parametrize(('record', 'tokens', 'message'), [
    (GOOD | dict(lengths=[1, 1]), (3, 4), '2 prompts with 2 tokens are named, and tokens of shape'),
    (GOOD | dict(lengths=[0, 3]), (3, 4), 'no whole numbers'),
    (GOOD | dict(lengths=[-1, 4]), (3, 4), 'no whole numbers'),
    (GOOD | dict(names=['a', 3]), (3, 4), 'no texts'),
    (GOOD | dict(names=['a', ' ']), (3, 4), 'needs a name'),
    (GOOD | dict(names=['a', 'A']), (3, 4), "two prompts named"),
    (GOOD | dict(spaces=['']), (3, 4), 'not lists of one length'),
    ([], (3, 4), 'not lists of one length'),
    (GOOD, (3,), r'shape \(3,\) are there'),
    (dict(names=[], lengths=[], spaces=[]), (0, 4), '0 prompts with 0 tokens')])
def test_what_is_damaged_is_named(tmp_path, record, tokens, message):
    file = tmp_path / 'theirs.safetensors'
    save_file(dict(tokens=np.ones(tokens, np.float32)), file, {HEADER: json.dumps(record)})
    with pytest.raises(ValueError, match=message) as error:
        load_prompts(file)
    assert str(file) in str(error.value)


def test_other_files_are_named(tmp_path, monkeypatch):
    weights, text = tmp_path / 'weights.safetensors', tmp_path / 'text.safetensors'
    save_file(dict(tokens=np.ones(3, np.float32)), weights)
    text.write_text('a cat')
    with pytest.raises(ValueError, match='weights.safetensors has no prompts in it'):
        load_prompts(weights)
    with pytest.raises(ValueError, match='text.safetensors is not a safetensors file'):
        load_prompts(text)
    with pytest.raises(FileNotFoundError, match='gone.safetensors does not exist'):
        load_prompts(tmp_path / 'gone.safetensors')
    assert not any(map(has_prompts, (weights, text, tmp_path / 'gone.safetensors', tmp_path)))
    whole = tmp_path / 'whole.safetensors'
    save_file(dict(tokens=np.ones((3, 4), np.int32)), whole, {HEADER: json.dumps(GOOD)})
    with pytest.raises(ValueError, match='whole.safetensors: its tokens are of type I32'):
        load_prompts(whole)
    nan = tmp_path / 'nan.safetensors'
    save_file(dict(tokens=np.full((3, 4), np.inf, np.float32)), nan, {HEADER: json.dumps(GOOD)})
    with pytest.raises(ValueError, match="nan.safetensors: 'a': its tokens must be finite"):
        load_prompts(nan)
    monkeypatch.setenv('EXPALIGN_MAX_ARRAY_BYTES', '10')
    with pytest.raises(LimitExceeded, match='nan.safetensors'):
        load_prompts(nan)
