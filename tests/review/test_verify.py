from precip_sae.paths import Paths
from precip_sae.review.verify import verify


def test_a_paper_as_it_was_made_departs_in_nothing(made: Paths) -> None:
    report = verify(made)
    assert [f.sentence for f in report.findings if f.verdict != "PASS"] == []
    assert not report.departs
    assert [line.reached for line in report.lines] == ["bytes", "bytes", "not tested"]
    assert [line.claim["verdict"] for line in report.lines] == ["PASS", "PASS", "NOT TESTED"]
