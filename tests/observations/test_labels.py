"""Phase labels on cases small enough for a hand."""

from precip_sae.observations import labels

FREEZING = labels.FREEZING


def test_regimes_follow_the_published_borders() -> None:
    cases = [
        # T (C), Rho (g cm^-3), Fs (m/s), regime
        (-12.0, 0.08, 0.9, "Snow"),
        (-2.0, 0.15, 1.1, "Mixed-phase"),  # warm snow
        (8.0, 0.80, 4.0, "Rain"),
        (-5.6, 0.10, 0.9, "Ambiguous"),  # on the border of snow and warm snow
        (1.0, 0.45, 2.5, "Ambiguous"),  # between the densities of snow and rain
        (1.0, 0.80, 1.2, "Ambiguous"),  # dense and slow
        (1.0, 0.10, 2.5, "Ambiguous"),  # light and fast
        (-12.0, 0.80, 4.0, "Ambiguous"),  # rain in deep frost
    ]
    for t, rho, fs, expected in cases:
        assert labels.regime3([t + FREEZING], [rho], [fs])[0] == expected, (t, rho, fs)


def test_density_labels_follow_the_pip_tools_at_0_4() -> None:
    assert list(labels.density([0.05, 0.4, 0.41, 0.9])) == ["Snow", "Snow", "Rain", "Rain"]


def test_temperature_labels_leave_the_doubtful_range_mixed() -> None:
    given = [FREEZING - 5, FREEZING, FREEZING + 1, FREEZING + 5]
    assert list(labels.temperature(given)) == ["Snow", "Mixed-phase", "Mixed-phase", "Rain"]


def test_true_phase_is_the_melted_fraction_alone() -> None:
    assert list(labels.phase([0.0, 0.09, 0.5, 0.91, 1.0])) == ["Snow", "Snow", "Mixed-phase", "Rain", "Rain"]
