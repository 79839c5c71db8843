"""The table of a preflight: what is in order, what is worth knowing, what stops the run."""

from dataclasses import dataclass, field

OK, NOTE, FAULT = 'ok', 'note', 'FAULT'


class PreflightError(RuntimeError):
    """A training cannot work; the message lists everything that was found."""


@dataclass(frozen=True)
class Line:
    """One finding.

    Args:
        state: one of ``'ok'``, ``'note'`` and ``'FAULT'``.
        part: of the run.
        text: what was found.
        remedy: what to do; empty where nothing is to be done.
    """

    state: str
    part: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        line = f'{self.state:<6}{self.part}: {self.text}'
        return f'{line}\n      -> {self.remedy}' if self.remedy else line


@dataclass
class Report:
    """Findings in the order of the checks.

    Args:
        lines: see :class:`Line`.
    """

    lines: list[Line] = field(default_factory=list)

    def ok(self, part: str, text: str) -> None:
        """Something is in order."""
        self.lines.append(Line(OK, part, text))

    def note(self, part: str, text: str, remedy: str = '') -> None:
        """Something may be meant so."""
        self.lines.append(Line(NOTE, part, text, remedy))

    def fault(self, part: str, text: str, remedy: str) -> None:
        """The run would fail, or train something else than its config says."""
        self.lines.append(Line(FAULT, part, text, remedy))

    @property
    def faults(self) -> list[Line]:
        """What stops the run."""
        return [line for line in self.lines if line.state == FAULT]

    def table(self) -> str:
        """All findings as text."""
        count = len(self.faults)
        verdict = f'{count} fault{"s" * (count > 1)}' if count else 'ready to train'
        return '\n'.join(['preflight:', *map(str, self.lines), f'preflight: {verdict}'])

    def raise_faults(self) -> None:
        """Stop where anything is wrong.

        Raises:
            PreflightError: with all faults, each with what to do.
        """
        if self.faults:
            lines = '\n'.join(map(str, self.faults))
            raise PreflightError(f'the training would fail:\n{lines}')
