"""Exporters are silent, and everything is as it was when they are done."""

import logging
import warnings

import pytest

from dad.export.quiet import quiet


def test_nothing_is_said_inside_and_all_is_as_before_after_it(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(KeyError), quiet():
        print("inside")
        logging.getLogger("exporter").warning("inside")
        warnings.warn("inside", stacklevel=1)
        raise KeyError
    assert not capsys.readouterr().out and not caplog.text and not recwarn.list
    print("outside")
    logging.getLogger("exporter").warning("outside")
    assert capsys.readouterr().out == "outside\n" and "outside" in caplog.text
