"""Metrics that know how many images a test has."""


class WholeTest:
    """Beside mmengine's ``BaseMetric``, in front of it: :attr:`_expected` is the data set's size.

    ``compute_metrics`` is not told it, and checks with it that no image is missing; see
    :func:`~expalign.evaluation.prediction_checks.check_all_tested`.
    """

    _expected = 0

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate what all processes have taken in; ``size``: samples of the data set.

        Raises:
            RuntimeError: there are results of fewer samples.
        """
        self._expected = size
        return super().evaluate(size)
