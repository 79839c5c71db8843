"""Forms of ``texts``: strings, files, vocabularies, several images."""

import json
import warnings
from itertools import islice

import pytest

from expalign.apis.texts import (
    prompts_of_images,
    read_prompt_file,
    read_vocabulary,
    understood_prompts,
)
from expalign.apis.vocabularies import named_vocabulary


def test_one_vocabulary():
    assert read_vocabulary('cat . a dog; owl') == ['cat', 'a dog', 'owl']
    assert read_vocabulary('cat . dog', custom_entities=False) == ['cat . dog']
    assert read_vocabulary(['cat . dog', ' owl ']) == ['cat . dog', 'owl']


def test_a_command_line_says_how_it_was_read(capsys):
    assert understood_prompts('a pizza. A  Pizza, a bottle; a person') == [
        'a pizza', 'a bottle', 'a person']
    assert understood_prompts('cat') == ['cat']
    assert len(understood_prompts('coco')) == 80
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ['3 prompts: a pizza | a bottle | a person', '1 prompt: cat']
    assert lines[2].endswith('| train | truck | ... and 72 more')


def test_files(tmp_path):
    lines = tmp_path / 'a.txt'
    lines.write_text('\ufeffcat\n\n  red chair \n', encoding='utf-8')
    assert read_vocabulary(str(lines)) == ['cat', 'red chair']
    names = tmp_path / 'b.json'
    names.write_text(json.dumps([['cat', 'kitten'], 'owl']))
    assert read_prompt_file(names) == ['cat', 'owl']


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('a.json', '{"cat": 1}', r'a\.json: expected a list of prompts, got a dict'),
    ('a.json', '[', r'a\.json: Expecting value'),
    ('a.json', '[["cat"], []]', r'a\.json: an empty list of synonyms'),
    ('a.json', '[3]', r'a\.json: prompt 0 is 3 of type int'),
    ('a.txt', '\n', r'a\.txt: no prompt in'),
])
def test_wrong_files_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_vocabulary(str(path))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r'prompts absent\.txt does not exist'):
        read_vocabulary('absent.txt')


@pytest.mark.parametrize(('name', 'size', 'member', 'absent'), [
    ('coco', 80, 'fire hydrant', 'cabinet/shelf'),
    ('o365', 365, 'tissue', 'tissue '),
    ('lvis', 1203, 'bow (decorative ribbons)', 'aerosol_can'),
])
def test_named_vocabularies(name, size, member, absent):
    prompts = named_vocabulary(name)
    assert len(set(prompts)) == len(prompts) == size
    assert member in prompts
    assert absent not in prompts
    assert read_vocabulary(name) == read_vocabulary(f'$: {name}') == list(prompts)


def test_unknown_vocabulary():
    with pytest.raises(ValueError, match="no vocabulary named 'voc': there are coco, lvis, o365"):
        read_vocabulary('$: voc')
    with pytest.raises(ValueError, match='lvis, o365; did you mean lvis'):
        read_vocabulary('$: lvsi')


def test_a_vocabulary_that_is_nearly_named():
    for spelled in ('COCO', ' Coco '):
        assert len(read_vocabulary(spelled)) == 80
    for text, near in (('lvsi', 'lvis'), ('coca', 'coco'), ('Objects365', 'o365'),
                       ('O-365', 'o365'), ('MS COCO', 'coco'), (['coco'], 'coco')):
        with pytest.warns(UserWarning, match=f'did you mean the vocabulary {near}'):
            assert len(read_vocabulary(text)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for text in ('cat', 'a coat', 'live oak', ['lvis', 'coco'], 'lvsi, cat'):
            read_vocabulary(text)


def test_several_prompts_in_a_list_of_one():
    for read in (read_vocabulary, lambda texts: next(iter(prompts_of_images(texts, 3)))):
        with pytest.warns(UserWarning, match='for 2 prompts give a string, or a list with an en'):
            assert read(['a cat. a dog']) == ['a cat. a dog']


def test_class_names_in_another_kind_of_file(tmp_path):
    names = tmp_path / 'data.yaml'
    names.write_text('names: [cat]')
    with pytest.raises(ValueError, match='prompts are not read from .*yaml: write them to a .txt'):
        read_vocabulary(str(names))


def test_several_images():
    assert prompts_of_images([['cat'], ['dog', 'owl']], 2) == [['cat'], ['dog', 'owl']]
    for texts in ('cat . dog', ['cat', 'dog']):
        for images in (1, 2, 3):
            assert list(islice(prompts_of_images(texts, images), 3)) == [['cat', 'dog']] * 3


def test_several_images_refused():
    with pytest.raises(ValueError, match='prompts of 1 images, but there are 2 images'):
        prompts_of_images([['cat']], 2)
    with pytest.raises(TypeError, match='mixes strings and lists'):
        prompts_of_images(['cat', ['dog']], 2)
    with pytest.raises(ValueError, match='no prompt in'):
        prompts_of_images([], 2)
    for texts, kind in ((b'cat', 'got bytes'), ([b'cat'], "b'cat' of type bytes"),
                        (range(3), 'prompt 0 is 0 of type int')):
        with pytest.raises(TypeError, match=kind):
            prompts_of_images(texts, 2)
