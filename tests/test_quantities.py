"""How numbers are written."""

import pytest

from precip_sae.errors import ManuscriptError
from precip_sae.quantities import MINUS, THIN, grouped, quantity, telling_apart, write


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.99812, ".1%", f"99.8{THIN}%"),
        (-0.0312, ".1%", f"{MINUS}3.1{THIN}%"),
        (-0.0001, ".1%", f"0.0{THIN}%"),
        (0.33, ".0%", f"33{THIN}%"),
        (0.081, ".1pp", f"8.1{THIN}points"),
        (2.5, ".2f", "2.50"),
        (0.22449, ".3g", "0.224"),
        (0.22449, ".3g mm/h", f"0.224{THIN}mm/h"),
        (12_345.6, ".3g mm/h", f"12{THIN}300{THIN}mm/h"),
        (25636.73, ".4g", f"25{THIN}640"),
        (-0.00002954, ".3g", f"{MINUS}0.0000295"),
        (46000, ".1%", f"46{THIN}000"),
        (765, ".4g", "765"),
        (None, ".1%", "–"),
        (float("nan"), ".1%", "–"),
        ("simulation", ".4g", "simulation"),
    ],
)
def test_every_kind_of_number_is_written_with_its_unit_and_digits(value, form, text):
    assert write(value, form) == text


@pytest.mark.parametrize("form", ["", "1%", ".2e", ".%", "%.2f", ".2fmm"])
def test_a_form_that_is_none_is_refused(form):
    with pytest.raises(ManuscriptError, match="is not the form of a number"):
        write(1.0, form)


def test_what_is_not_defined_stays_so_in_json():
    assert quantity(float("nan"), ".1%") == {"value": None, "form": ".1%"}


def test_thousands_are_grouped_from_five_digits_on():
    assert [grouped(n) for n in (999, 1234, 12345, -46000)] == ["999", "1234", f"12{THIN}345", f"{MINUS}46{THIN}000"]


@pytest.mark.parametrize(
    ("low", "high", "form", "finer"),
    [
        (0.5, 0.6, ".1%", ".1%"),
        (0.99996, 0.99999, ".1%", ".3%"),
        (0.1460001, 0.1460002, ".3g mm/h", ".6g mm/h"),
        (1.0, 1.0, ".1%", ".1%"),
    ],
)
def test_an_interval_is_not_rounded_to_a_point(low, high, form, finer):
    assert telling_apart(low, high, form) == finer
