"""Limits and their environment variables."""

import pytest

from expalign.limits import Limit, LimitExceeded

LIMIT = Limit('EXPALIGN_TEST_LIMIT', 1000, 'things')


def test_a_limit_is_named_and_can_be_set(monkeypatch):
    LIMIT.check(1000, 'a.json')
    with pytest.raises(LimitExceeded, match=(
            '^a.json: 1,001 things, more than the limit of 1,000. .*set EXPALIGN_TEST_LIMIT to a')):
        LIMIT.check(1001, 'a.json')
    monkeypatch.setenv('EXPALIGN_TEST_LIMIT', '1001')
    LIMIT.check(1001, 'a.json')


@pytest.mark.parametrize('text', ['', '0', '-1', '1e3', 'many'])
def test_other_values_are_errors(text, monkeypatch):
    monkeypatch.setenv('EXPALIGN_TEST_LIMIT', text)
    with pytest.raises(ValueError, match='EXPALIGN_TEST_LIMIT must be a whole number'):
        LIMIT.check(1, 'a.json')
