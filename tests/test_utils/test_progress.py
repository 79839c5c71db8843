"""Bars on the error stream."""

from expalign.utils.progress import counted


def test_groups_are_counted_in_units(capsys):
    with counted('maps', 10, 'picture', 4) as advance:
        advance(4)
        advance(1)
    shown = capsys.readouterr().err
    assert 'maps:  40%' in shown and '4/10' in shown
    assert '9/10' in shown and 'picture/s' in shown.split('9/10')[1]
