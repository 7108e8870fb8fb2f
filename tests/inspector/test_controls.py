"""Every control does what it says, by mouse and by keyboard, and a view can be linked."""

import re

import pytest


def text(looking, place: str) -> str:
    return looking.page.locator(place).first.text_content()


def test_a_reader_is_told_that_the_observations_are_simulated(looking):
    assert "no number on this page is a measurement" in text(looking, "#source")


def test_the_pickers_choose_task_inputs_size_penalty_and_seed(looking):
    page = looking.page
    looking.go()
    first = looking.state()
    page.select_option("#group", index=1)
    assert looking.state()["task"] != first["task"]
    page.select_option("#task", "published_shipped_regressor")
    assert looking.state()["task"] == "published_shipped_regressor"
    assert page.locator('input[name="l1"]').count() == 1
    page.select_option("#group", index=0)
    page.select_option("#task", "shipped_classifier")
    page.check('input[name="hidden"][value="16"]')
    page.check('input[name="l1"][value="true"]')
    page.check('input[name="seed"][value="1"]')
    state = looking.state()
    assert (state["task"], state["hidden"], state["l1"], state["seed"]) == ("shipped_classifier", 16, True, 1)
    assert page.locator("#view-training .node .unit").count() == 5 + 16 + 3
    assert looking.ask("() => inspector.current(inspector.store.get()).model.l1 > 0")


def test_epochs_are_played_paused_stepped_scrubbed_and_restarted(looking):
    page = looking.page
    looking.go("epoch=2")
    page.click('#view-training button[aria-label="Step on"]')
    assert looking.state()["epoch"] == 3
    page.click('#view-training button[aria-label="Step back"]')
    assert looking.state()["epoch"] == 2
    page.locator('#view-training input[aria-label="Epoch"]').fill("4")
    assert looking.state()["epoch"] == 4
    page.click('#view-training button[aria-label="Restart"]')
    assert looking.state()["epoch"] == 0
    assert "before training" in text(looking, "#view-training .epoch")
    running = looking.ask("""() => ['Play', 'Pause'].map((name) => {
      document.querySelector(`#view-training button[aria-label="${name}"]`).click();
      return inspector.clock.isRunning(); })""")
    assert running == [True, False]
    page.click('#view-training button[aria-label="Play"]')
    page.wait_for_function("() => inspector.store.get().epoch === 4 && !inspector.clock.isRunning()")
    weights = looking.ask("() => Array.from(inspector.current(inspector.store.get()).net.first)")
    drawn = page.locator("#view-training .links path").first.get_attribute("stroke-dasharray")
    assert (drawn != "none") == (weights[0] < 0)


def test_lines_show_weights_or_what_flows(looking):
    looking.go()
    before = looking.page.locator("#view-training .links path").nth(3).get_attribute("stroke-width")
    looking.page.check('input[name="lines-training"][value="signal"]')
    assert looking.state()["lines"] == "signal"
    assert looking.page.locator("#view-training .links path").nth(3).get_attribute("stroke-width") != before


def test_records_and_inputs_are_chosen_in_physical_units(looking):
    page = looking.page
    looking.go("view=testing&task=classifier&record=0")
    page.click('button[aria-label="Later record"]')
    assert looking.state()["record"] == 1
    page.select_option("#view-testing .spell", index=1)
    assert looking.state()["record"] > 1
    page.locator("#view-testing .within").fill("1")
    page.locator('#view-testing input[aria-label^="T (K)"]').fill("290")
    page.keyboard.press("Tab")
    values = looking.state()["values"]
    assert values[3] == 290
    page.locator("#input-0").fill("0")
    low = looking.ask("() => inspector.current(inspector.store.get()).set.inputs[0].low")
    assert looking.state()["values"][0] == pytest.approx(low), "a log axis starts at the smallest value of the data"
    assert page.locator(".warning:not(:empty)").count() == 0
    page.locator('#view-testing input[aria-label^="T (K)"]').fill("400")
    page.keyboard.press("Tab")
    assert "beyond the data" in page.locator("#warning-3").inner_text()
    page.get_by_role("button", name="Back to the record").click()
    assert looking.state()["values"] is None


def test_relevance_is_shown_for_the_class_that_is_asked_for(looking):
    looking.go("view=testing&task=classifier")
    for k, name in enumerate(("Rain", "Snow", "Mixed-phase")):
        looking.page.check(f'input[name="output"][value="{k}"]')
        assert looking.page.get_by_text(f"share in the logit of {name}").count() == 1


def test_an_untrained_sae_takes_the_trained_ones_place(looking):
    looking.go("view=features")
    trained = looking.ask("() => Array.from(inspector.current(inspector.store.get()).latents)")
    looking.page.check('input[name="sae"][value="untrained"]')
    assert looking.ask("() => Array.from(inspector.current(inspector.store.get()).latents)") != trained
    assert "untrained SAE" in text(looking, "#view-features .network")


def test_latents_are_switched_off_clamped_and_scaled_and_the_prediction_follows(looking):
    page = looking.page
    looking.go("view=features&task=regressor&hidden=6")
    looking.ask("""() => {
      const now = inspector.current(inspector.store.get());
      inspector.store.set({ latent: Array.from(now.latents).indexOf(Math.max(...now.latents)) }); }""")
    latent = looking.state()["latent"]
    bars = page.locator("#view-features .side .chart .number")
    before = bars.first.text_content()
    seen = {before}
    for how in ("off", "scale", "clamp"):
        page.check(f'input[name="how"][value="{how}"]')
        assert looking.state()["edits"][str(latent)]["how"] == how
        if how == "clamp":
            page.locator("#amount").fill("0.01")
        seen.add(bars.first.text_content())
    assert len(seen) >= 3
    page.get_by_role("button", name="Undo all changes").click()
    assert looking.state()["edits"] == {}
    assert bars.first.text_content() == before


def test_latents_are_chosen_in_the_drawing_and_in_the_table_by_mouse_and_keyboard(looking):
    page = looking.page
    looking.go("view=features&hidden=6")
    page.locator("#view-features .node.pickable").nth(3).click()
    assert looking.state()["latent"] == 3
    page.locator("#view-features .node.pickable").nth(5).focus()
    page.keyboard.press("Enter")
    assert looking.state()["latent"] == 5
    page.locator("#view-features g.pickable[aria-pressed]:not(.node)").nth(1).focus()
    page.keyboard.press(" ")
    assert looking.state()["latent"] == 1
    assert text(looking, "#view-features .card h3").startswith("f2 of the trained SAE")


def test_the_storms_that_excite_a_latent_most_are_a_click_away(looking):
    looking.go("view=features")
    looking.page.locator(".most button").first.click()
    record = looking.state()["record"]
    strongest = looking.ask("""() => {
      const now = inspector.current(inspector.store.get());
      const all = Array.from(now.latentsAll).filter((_, k) => k % now.model.latents === now.latent);
      return all.indexOf(Math.max(...all)); }""")
    assert record == strongest


def test_a_card_names_the_family_that_the_paper_found(looking):
    for address, known in (
        ("latent=3", True),
        ("latent=4", False),
        ("latent=5&seed=1", True),
        ("latent=3&l1=1", False),
    ):
        looking.go(f"view=features&hidden=6&{address}")
        assert ("warm air; it returns in 90\u00a0% of all seeds" in text(looking, ".card .facts")) == known, address


def test_a_view_is_reached_with_the_arrow_keys(looking):
    looking.go()
    looking.page.focus("#tab-training")
    looking.page.keyboard.press("ArrowRight")
    assert looking.state()["view"] == "testing"
    assert looking.ask("() => document.activeElement.id") == "tab-testing"


def test_the_tour_takes_six_steps_each_of_them_a_link(looking):
    page = looking.page
    looking.go()
    page.click("#tour-start")
    links = []
    for step in range(1, 7):
        assert looking.state()["step"] == step
        said = text(looking, "#tour .sentences")
        assert len(re.findall(r"[.;:] ", said)) >= 1
        assert "NaN" not in said
        assert "undefined" not in said
        looking.ask("() => inspector.store.flush()")
        links.append((looking.ask("() => location.hash"), said))
        page.locator("#tour .primary").click()
    assert looking.state()["step"] == 0
    for hash_, said in links[1::4]:
        looking.load(hash_.lstrip("#"))
        assert text(looking, "#tour .sentences") == said
    looking.go("step=4")
    assert looking.state()["sae"] == "untrained"
    page.locator("#tour").focus()
    page.locator("#tour h2").press("Escape")
    assert looking.state()["step"] == 0


@pytest.mark.parametrize(
    "address",
    [
        "view=features&task=regressor&hidden=16&l1=1&seed=1&sae=untrained&record=7&latent=3&edits=3:off;5:x2;7:=0.4",
        "view=testing&epoch=2&record=5&values=100,1.5,1,270,90&lines=signal&output=1",
    ],
)
def test_a_linked_view_is_the_same_after_a_reload(looking, address):
    looking.load(address)
    before = looking.state()
    looking.ask("() => inspector.store.flush()")
    assert looking.ask("() => location.hash.slice(1)") == address
    looking.page.reload()
    assert looking.state() == before


@pytest.mark.parametrize(
    "address",
    ["view=nothing&task=none&hidden=-3&seed=99&epoch=1e9&record=x", "edits=99:off;;;a:b&values=1,2", "%00%&&&=",
     "step=99", "latent=400&output=77&hidden=3.5", "values=,,,,"],
)  # fmt: skip
def test_an_address_that_means_nothing_shows_the_page_all_the_same(looking, address):
    looking.load(address)
    assert looking.page.locator("#picker select").first.is_visible()


def test_every_chart_has_its_numbers_as_a_table(looking):
    for view in ("training", "testing", "features"):
        looking.go(f"view={view}")
        looking.ask("(id) => document.querySelectorAll(id).forEach((d) => { d.open = true; })", f"#view-{view} details")
        looking.page.wait_for_timeout(50)
        figures = looking.page.locator(f"#view-{view} figure:not([hidden]):not(.heat)")
        for k in range(figures.count()):
            assert figures.nth(k).locator("table td").count() > 0, figures.nth(k).locator("h3").inner_text()


def test_the_theme_is_the_systems_until_it_is_chosen(looking):
    looking.go()
    looking.page.emulate_media(color_scheme="dark")
    looking.page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    looking.page.click("#theme")
    assert looking.ask("() => document.documentElement.dataset.theme") == "light"
    looking.page.emulate_media(color_scheme="light")
