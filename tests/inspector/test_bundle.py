"""One file out of modules and numbers, the same every time."""

import base64
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.inspector.bundle import bundled, in_order, page, sources
from precip_sae.inspector.content import plain
from precip_sae.inspector.pack import Packer
from precip_sae.inspector.records import choose
from precip_sae.inspector.study import study_page
from precip_sae.settings import InspectorSettings, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_BYTES = 8_000_000


def test_two_builds_are_the_same_bytes(study):
    standards = load_settings(REPOSITORY / "params.yaml").standards
    again = study_page(study.paths, list(study.tasks.values()), standards, InspectorSettings(records=400))
    assert again.encode() == study.page.read_bytes()


def test_the_page_needs_no_other_file_and_no_network(study):
    text = study.page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    outside = re.sub(r"<script><!-- d3 -->.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", outside)
    assert "Permission to use, copy, modify, and/or distribute this software" in text, "d3's licence"


def test_the_page_of_the_paper_is_small_enough():
    built = REPOSITORY / "paper" / "inspector.html"
    if not built.is_file():
        pytest.skip("paper/inspector.html is not here: dvc pull")
    assert built.stat().st_size < MOST_BYTES


def test_modules_stay_short_enough_to_read():
    for file in sources().iterdir():
        if file.name.endswith(".js") and file.name != "d3.min.js":
            assert len(file.read_text(encoding="utf-8").splitlines()) < 400, file.name


def test_modules_come_after_what_they_import(tmp_path):
    (tmp_path / "main.js").write_text(
        'import { a as first } from "./a.js";\nimport * as b from "./b.js";\nfirst(b.two);\n'
    )
    (tmp_path / "a.js").write_text('import { two } from "./b.js";\nexport function a(x) {\n  return x + two;\n}\n')
    (tmp_path / "b.js").write_text("export const two = 2;\n")
    modules = in_order(tmp_path)
    assert list(modules) == ["b", "a", "main"]
    script = bundled(modules)
    assert "import" not in script
    assert "const {first}" not in script
    assert "a: first" in script
    assert "return { two };" in script


def test_modules_in_a_circle_and_unknown_imports_are_refused(tmp_path):
    (tmp_path / "main.js").write_text('import { a } from "./a.js";\n')
    (tmp_path / "a.js").write_text('import { main } from "./main.js";\n')
    with pytest.raises(ValueError, match="main -> a -> main: modules import each other"):
        in_order(tmp_path)
    with pytest.raises(ValueError, match="is no import or export"):
        bundled({"main": 'import d3 from "d3";\n'})


def test_a_name_cannot_end_the_script_that_holds_it():
    text = page({"sets": ["</script><script>alert(1)</script>"]}, "")
    assert "</script><script>alert" not in text


def test_numbers_come_back_as_they_were_packed():
    packer = Packer()
    arrays = [
        np.arange(3, dtype=np.float32),
        np.array([[1.5], [2.5]]),
        np.array([7], np.int32),
        np.arange(3, dtype=np.float32),
    ]
    references = [packer.add(array) for array in arrays]
    content = base64.b64decode(packer.text())
    for array, reference in zip(arrays, references, strict=True):
        found = np.frombuffer(content, array.dtype, array.size, reference["at"]).reshape(reference["shape"])
        np.testing.assert_array_equal(found, array)
        assert reference["at"] % 8 == 0
    assert references[0] == references[3], "equal arrays are kept once"
    with pytest.raises(ValueError, match="int64"):
        packer.add(np.arange(3))


def test_records_come_in_whole_spells():
    time = pd.to_datetime("2020-01-01") + pd.to_timedelta(
        np.repeat(np.arange(10) * 24, 6) + np.tile(np.arange(6), 10), "h"
    )
    frame = pd.DataFrame({"time": time, "a": np.arange(60.0)}, index=np.arange(100, 160))
    records = choose(frame, [frame.index[:36], frame.index[12:]], "time", 20)
    assert records.spell.tolist() == np.repeat([0, 1, 2], 6).tolist()
    assert records.frame["a"].tolist() == [*range(6), *range(24, 30), *range(54, 60)]
    assert records.positions(frame.index[24:30]).tolist() == [6, 7, 8, 9, 10, 11]
    assert len(choose(frame, [frame.index], None, 50).frame) == 50


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("$n_0$", "n₀"),
        (r"$\lambda$", "λ"),
        ("$Z_{29}$", "Z₂₉"),
        ("RH$_{900}$", "RH₉₀₀"),
        ("$F_s$", "Fₛ"),
        (r"5 \$", "5 $"),
    ],
)
def test_symbols_are_plain_text(name, expected):
    assert plain(name) == expected
