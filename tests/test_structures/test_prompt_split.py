"""Where prompts of a string end."""

import warnings

import pytest

from expalign.structures.prompt_split import split_prompts, warn_of_unsplit


@pytest.mark.parametrize(('text', 'prompts'), [
    ('cat . dog', ['cat', 'dog']),
    ('a person. a horse', ['a person', 'a horse']),
    ('cat. dog.', ['cat', 'dog']),
    ('cat .dog .', ['cat', 'dog']),
    ('person,dog, cat', ['person', 'dog', 'cat']),
    ('cat;dog ; owl;', ['cat', 'dog', 'owl']),
    ('cat\ndog\r\n\n owl', ['cat', 'dog', 'owl']),
    ('a cat...  a dog.,', ['a cat', 'a dog']),
    ('a red chair', ['a red chair']),
    (' . ,;\n', []),
    # numbers
    ('2.5 mm screw', ['2.5 mm screw']),
    ('a 2.5 mm screw, a 1,000 dollar bill. a .22 rifle', [
        'a 2.5 mm screw', 'a 1,000 dollar bill', 'a .22 rifle']),
    ('number 5. number 6.', ['number 5', 'number 6']),
    # abbreviations
    ('U.S. flag', ['U.S. flag']),
    ('a U.S. flag. a horse', ['a U.S. flag', 'a horse']),
    ('e.g. a horse', ['e.g. a horse']),
    ('St. Bernard, Dr. Pepper can. No. 5 bus', ['St. Bernard', 'Dr. Pepper can', 'No. 5 bus']),
    ('George W. Bush. a chair', ['George W. Bush', 'a chair']),
    ('no. yes', ['no', 'yes']),
    ('a house on Main St. a dog', ['a house on Main St', 'a dog']),
    ('a flag of the U.S. an eagle', ['a flag of the U.S', 'an eagle']),
    ('a Ph.D. student, T. rex, a T. rex skull. vitamin C. a pill', [
        'a Ph.D. student', 'T. rex', 'a T. rex skull', 'vitamin C', 'a pill']),
    ('vitamin C. A pill', ['vitamin C', 'A pill']),
    ('i.e. the red one; z.B. ein Hund', ['i.e. the red one', 'z.B. ein Hund']),
    ('a 3.5 in. floppy disk. a 6 ft. ladder. a 12 oz. can', [
        'a 3.5 in. floppy disk', 'a 6 ft. ladder', 'a 12 oz. can']),
    ('a cat in. a dog', ['a cat in', 'a dog']),
    ('Gen. Grant. a gen. a col', ['Gen. Grant', 'a gen', 'a col']),
    ('a Dec. 25 page, vol. 2. dec', ['a Dec. 25 page', 'vol. 2', 'dec']),
    ('Apple Inc. logo. a .com sign. Warner Bros. a cat', [
        'Apple Inc. logo', 'a .com sign', 'Warner Bros', 'a cat']),
    ('a $1.50 coin. version 2.0. 2,5 mm', ['a $1.50 coin', 'version 2.0', '2,5 mm']),
    ('e.g., a horse, i.e., the red one', ['e.g., a horse', 'i.e., the red one']),
    ('a bow (ribbons, red. blue), dog', ['a bow (ribbons, red. blue)', 'dog']),
    ('(cat, dog), owl (bird)', ['(cat', 'dog)', 'owl (bird)']),
    # lists as they are written
    ("('cat', 'dog')", ['cat', 'dog']),
    ("('cat')", ["('cat')"]),
    ('["a cat", "St. Bernard, big"]', ['a cat', 'St. Bernard, big']),
    (" ['cat','dog'] ", ['cat', 'dog']),
    ('[1, 2]', ['[1', '2]']),
    ('[a cat], dog', ['[a cat]', 'dog']),
    # quotes
    ('"St. Bernard, big". a cat', ['St. Bernard, big', 'a cat']),
    ("'cat, dog' , owl", ['cat, dog', 'owl']),
    ('a sign "stop, now". a cat', ['a sign "stop, now"', 'a cat']),
    ("a man's hat, a dog's bone", ["a man's hat", "a dog's bone"]),
    ('a 24" screen, a 27" screen', ['a 24" screen', 'a 27" screen']),
    # other scripts
    ('猫，狗。鸟', ['猫', '狗', '鸟']),
    ('犬､猫｡鳥、ソフト・ドリンク', ['犬', '猫', '鳥', 'ソフト・ドリンク']),
    ('قط، كلب؛ حصان', ['قط', 'كلب', 'حصان']),
    ('بلی۔ کتا', ['بلی', 'کتا']),
    ('बिल्ली। कुत्ता', ['बिल्ली', 'कुत्ता']),
    ('猫．犬．', ['猫', '犬']),
    ('cat\u2028dog\u2029owl\x85fox', ['cat', 'dog', 'owl', 'fox']),
    ('«cat, dog», „big, red“; 「犬、猫」', ['cat, dog', 'big, red', '犬、猫']),
    # no separators
    ('a clock at 10:30. see https://a.org/b', ['a clock at 10:30', 'see https://a.org/b']),
    ('3.5mm jack, usb-c cable', ['3.5mm jack', 'usb-c cable']),
    ('"red cat, a \'dog', ['"red cat', "a 'dog"]),
])
def test_what_separates(text, prompts):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert split_prompts(text) == prompts


@pytest.mark.parametrize('text', [
    'cat.dog', 'cat/dog', 'cat | dog', 'cat\tdog', 'cat .', 'cat,', '.cat'])
def test_one_prompt_by_mistake_is_said(text):
    with pytest.warns(UserWarning, match=r'was read as one prompt, .*separate prompts'):
        assert split_prompts(text) == [text.strip(' .,')]


def test_several_in_one_entry_are_said():
    with pytest.warns(UserWarning, match=r"'a cat. a dog' is searched for as one prompt; for 2"):
        warn_of_unsplit('a cat. a dog', 'give a list')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for prompt in ('a St. Bernard', 'cat/dog', '2.5 mm screw'):
            warn_of_unsplit(prompt, 'give a list')


def test_many_prompts_take_no_time():
    text = ', '.join(f'thing {number}.5 of "x"' for number in range(20_000))
    assert len(split_prompts(text)) == 20_000
    for sign in '“„«「[':
        assert split_prompts(sign * 100_000) == [sign * 100_000]
    assert split_prompts('[' * 100_000 + ']') == ['[' * 100_000 + ']']
