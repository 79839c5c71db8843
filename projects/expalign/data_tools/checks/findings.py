"""What a check found: facts, problems and notes, each counted with examples."""

from dataclasses import dataclass, field

from expalign.utils.tally import Tally


@dataclass
class Findings:
    """The result of checking one source.

    Args:
        title: which split, data set and file.
        facts: counts of what there is.
        problems: what has to be repaired, or costs training data without a word.
        notes: what may well be meant so.
        tables: further lines about the data.
    """

    title: str
    facts: Tally = field(default_factory=Tally)
    problems: Tally = field(default_factory=Tally)
    notes: Tally = field(default_factory=Tally)
    tables: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def report(self) -> str:
        """All of it as text."""
        parts = [self.facts.report(self.title), *self.tables]
        if self.notes:
            parts.append(self.notes.report('notes:'))
        parts.append(self.problems.report('PROBLEMS:') if self.problems else 'no problems')
        return '\n'.join(parts)
