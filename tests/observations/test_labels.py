"""Phase labels on cases small enough for a hand."""

from precip_sae.observations import labels
from precip_sae.observations.schema import REGIME3, REGIME9

FREEZING = labels.FREEZING


def test_regimes_follow_the_published_borders() -> None:
    cases = [
        # T (C), Rho (g cm^-3), Fs (m/s), log10 Nt, regime
        (-12.0, 0.08, 0.9, 4.5, "Heavy snow"),
        (-12.0, 0.08, 0.9, 3.0, "Light snow"),
        (-2.0, 0.15, 1.1, 4.5, "Heavy mixed"),  # warm snow
        (-2.0, 0.15, 1.1, 3.0, "Light mixed"),
        (8.0, 0.80, 4.0, 4.5, "Heavy rain"),
        (8.0, 0.80, 4.0, 3.0, "Drizzle"),
        (1.0, 0.80, 1.2, 4.5, "Heavy rain to mixed"),  # dense and slow
        (1.0, 0.10, 2.5, 3.0, "Light rain to mixed"),  # light and fast
        (-12.0, 0.10, 2.5, 4.5, "Heavy snow to mixed"),
        (-12.0, 0.10, 2.5, 3.0, "Ambiguous"),  # there is no such light transition
        (-5.6, 0.10, 0.9, 4.5, "Ambiguous"),  # on the border of snow and warm snow
        (1.0, 0.45, 2.5, 4.5, "Ambiguous"),  # between the densities of snow and rain
        (1.0, 0.10, 1.7, 4.5, "Ambiguous"),  # between the speeds of snow and rain
        (-12.0, 0.80, 4.0, 4.5, "Ambiguous"),  # rain in deep frost
    ]
    for t, rho, fs, log_nt, expected in cases:
        assert labels.regime9([t + FREEZING], [rho], [fs], [10**log_nt])[0] == expected, (t, rho, fs, log_nt)
    assert {case[-1] for case in cases} == set(labels.REGIMES)


def test_phases_merge_the_regimes_and_leave_transitions_out() -> None:
    given = ["Drizzle", "Heavy rain", "Light snow", "Heavy mixed", "Heavy rain to mixed", "Ambiguous"]
    expected = ["Rain", "Rain", "Snow", "Mixed-phase", "Ambiguous", "Ambiguous"]
    assert list(labels.regime3(given)) == expected
    assert all(labels.REGIMES[name] == "Ambiguous" for name in labels.TRANSITIONS)


def test_the_table_may_hold_every_regime() -> None:
    assert set(REGIME9) == set(labels.REGIMES)
    assert set(REGIME3) == set(labels.REGIMES.values())


def test_density_labels_follow_the_pip_tools_at_0_4() -> None:
    assert list(labels.density([0.05, 0.4, 0.41, 0.9])) == ["Snow", "Snow", "Rain", "Rain"]


def test_temperature_labels_leave_the_doubtful_range_mixed() -> None:
    given = [FREEZING - 5, FREEZING, FREEZING + 1, FREEZING + 5]
    assert list(labels.temperature(given)) == ["Snow", "Mixed-phase", "Mixed-phase", "Rain"]


def test_true_phase_is_the_melted_fraction_alone() -> None:
    assert list(labels.phase([0.0, 0.09, 0.5, 0.91, 1.0])) == ["Snow", "Snow", "Mixed-phase", "Rain", "Rain"]
