"""The command line: thin, and quick to answer because each command imports what it needs when it runs."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from precip_sae.errors import PaperError
from precip_sae.terminal import Bar, console, defect_sentence, os_sentence, say, terminated

app = typer.Typer(
    help="A paper on sparse autoencoders that rebuilds itself. `dvc repro` runs the stages; see README.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
task_app = typer.Typer(help="One prediction problem of your own.", no_args_is_help=True)
app.add_typer(task_app, name="task")
table_app = typer.Typer(help="A table of your own.", no_args_is_help=True)
app.add_typer(table_app, name="table")


@app.command()
def simulate(
    records: Annotated[int | None, typer.Option(help="5-minute records; default: params.yaml's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default: params.yaml's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; default: the project's data/.")] = None,
) -> None:
    """Simulate the observations and write observations.parquet."""
    from precip_sae.observations.schema import validate
    from precip_sae.paths import locate
    from precip_sae.settings import SimulationSettings, load_settings, parse
    from precip_sae.simulation.deposit import deposit_simulation
    from precip_sae.simulation.simulate import simulate_parts

    paths = locate()
    given = {"records": records, "seed": seed}
    chosen = load_settings(paths.params).simulation.model_dump() | {k: v for k, v in given.items() if v is not None}
    settings = parse(SimulationSettings, chosen, "simulate", "--")
    with Bar("Simulating") as bar:
        parts = map(validate, simulate_parts(settings.records, settings.seed, bar.advance))
        target = deposit_simulation(out or paths.data, parts, settings)
    typer.echo(f"{target}: {settings.records} simulated records (seed {settings.seed}).")


@app.command()
def ingest(
    pip: Annotated[Path, typer.Option(help="Folder of the PIP archive, which holds 2019_MQT/netCDF/...")],
    weather: Annotated[Path, typer.Option(help="Folder of the surface weather, YYYYMMDD_met.nc.")],
    radar: Annotated[Path, typer.Option(help="Folder of the radar's daily files, as IMProToo writes them.")],
    out: Annotated[Path, typer.Option(help="Folder for the table: data, for the paper.")],
    profile: Annotated[Path | None, typer.Option(help="Folder of daily ERA5 pressure-level files.")] = None,
    site: Annotated[str, typer.Option(help="The archive's short name of the site.")] = "MQT",
    scheduler: Annotated[str, typer.Option(help="local, local-cluster (Dask) or tcp://host:port (Dask).")] = "local",
    workers: Annotated[int | None, typer.Option(help="Days at once; default: one per processor.")] = None,
) -> None:
    """Make the table of observations from the published files of the instruments."""
    from precip_sae.archive.deposit import deposit_archive
    from precip_sae.archive.ingest import ingest_days, parts_folder
    from precip_sae.archive.layout import find_days

    found = find_days(pip, weather, radar, profile, site)
    with Bar("Reading days") as bar:
        season = ingest_days(found, site, profile is not None, parts_folder(out), scheduler, workers, bar.advance)
    target = deposit_archive(out, season, site, profile is not None)
    typer.echo(
        f"{target}: {season.rows} records of {len(season.outcomes)} days, {len(season.lost)} of them lost; "
        f"{target.parent / 'ingest_report.csv'} says why."
    )


@app.command("write-archive")
def write_archive(
    out: Annotated[Path, typer.Option(help="Folder for pip/, weather/, radar/ and profile/.")],
    records: Annotated[int, typer.Option(help="5-minute records to simulate.", min=1)] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.", min=0)] = 2025,
    days: Annotated[int | None, typer.Option(help="Days with precipitation to write; default: all.", min=1)] = None,
) -> None:
    """Write a simulated season as archive files, to try `ingest` without the archive."""
    from precip_sae.archive.write import write_season

    with Bar("Writing days") as bar:
        frame = write_season(out, records, seed, days, progress=bar.advance)
    written = frame["time"].dt.normalize().nunique()
    typer.echo(f"{out}: {written} simulated days as archive files, {len(frame)} records.")


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="Its name in dvc.yaml, for example train.")],
    task: Annotated[str | None, typer.Option(help="Section below `tasks` in params.yaml.")] = None,
) -> None:
    """Run one stage, as DVC does; `dvc repro` runs those that need it."""
    from precip_sae.paths import locate
    from precip_sae.pipeline.runner import run_stage
    from precip_sae.pipeline.stages import named

    run_stage(named(name), task, locate())


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def repro(context: typer.Context) -> None:
    """Run `dvc repro` with its arguments; its stages start faster."""
    from precip_sae.paths import locate
    from precip_sae.pipeline.smoke import dvc, environment
    from precip_sae.pipeline.warm import warm

    paths = locate()
    with warm(environment(paths), paths.root) as around:
        dvc(paths, around, "repro", *context.args, forked=False)


@app.command()
def digest() -> None:
    """Write digests/: what code each stage rests on, as DVC sees it."""
    from precip_sae.paths import locate
    from precip_sae.pipeline.digest import write_digests
    from precip_sae.pipeline.runner import refuse_other_sources
    from precip_sae.pipeline.stages import stages

    paths = locate()
    refuse_other_sources(paths.root)
    write_digests(paths, Path(__file__).parent, stages())


@app.command()
def settings() -> None:
    """Print every key of params.yaml with its meaning and default."""
    from rich.table import Table

    from precip_sae.pipeline.keys import described
    from precip_sae.settings import Settings

    table = Table("key", "default", "meaning", box=None)
    for key, default, meaning in described(Settings):
        table.add_row(key, default, meaning)
    console().print(table)


@app.command()
def rows() -> None:
    """Say which rows of which table the paper's tasks use, and how many are dropped for what reason."""
    from precip_sae.paths import locate
    from precip_sae.settings import load_settings
    from precip_sae.tables.read import read_table
    from precip_sae.tasks.prepare import prepare

    paths = locate()
    for name, task in load_settings(paths.params).tasks.items():
        counts = prepare(read_table(paths.root / task.data.table, task.data), task.data).counts
        typer.echo(f"{name}: " + "; ".join(f"{reason} {rows}" for reason, rows in counts.items()) + ".")


@app.command()
def verify(
    against: Annotated[
        str | None, typer.Option(help="Compare with a tag, branch, commit or folder instead of the authors' run.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Train nothing again: under a minute.")] = False,
) -> None:
    """Say whether this machine got what the authors got, and whether each claim holds; exit 1 if it did not."""
    from precip_sae.paths import locate
    from precip_sae.review import page
    from precip_sae.review import verify as review

    paths = locate()
    with Bar("Verifying") as bar:
        report = review.verify_against(paths, against) if against else review.verify(paths, quick, bar.say)
    for line in page.lines(report):
        typer.echo(line)
    target = paths.root / "build" / "verify.html"
    page.write_page(target, page.verify_page(report), report.as_json())
    typer.echo(f"{target} has all of it, verify.json beside it; the manuscript is {paths.paper / 'manuscript.pdf'}.")
    if report.departs:
        raise typer.Exit(1)


@app.command()
def accept() -> None:
    """Take this run as the authors': write paper/reference.json, which `verify` holds others to."""
    from precip_sae.paths import locate
    from precip_sae.review.reference import accept as accepted

    typer.echo(f"{accepted(locate())}: from now on `precip-sae verify` holds every run to this one.")


@app.command()
def why(
    target: Annotated[str, typer.Argument(help="figures/NAME, tables/NAME, number:KEY or claim:ID.")],
) -> None:
    """Say where a figure, a table, a number or a claim comes from, back to the observations."""
    from precip_sae.paths import locate
    from precip_sae.review.why import why as chain

    for line in chain(locate(), target):
        typer.echo(line)


@app.command()
def diff(reference: Annotated[str, typer.Argument(metavar="REF", help="A tag, branch, commit or folder.")]) -> None:
    """Show what changed since REF in claims, numbers, figures and text, on one page."""
    from precip_sae.paths import locate
    from precip_sae.review.diff import diff_page
    from precip_sae.review.page import write_page

    paths = locate()
    target = paths.root / "build" / "diff.html"
    write_page(target, diff_page(paths, reference))
    typer.echo(f"{target}: what changed since {reference}.")


@app.command()
def edition(
    out: Annotated[Path, typer.Argument(metavar="FILE.pdf", help="Where to write it.")],
    review: Annotated[bool, typer.Option("--review", help="Number the lines and space them, for reviewers.")] = False,
) -> None:
    """Write a copy of the manuscript that names its commit, or that there are local changes."""
    from precip_sae.paths import locate
    from precip_sae.review.edition import write_edition

    typer.echo(f"{out}: the manuscript of {write_edition(locate(), out, review)}.")


@app.command()
def archive(
    out: Annotated[Path | None, typer.Option(help="The zip; default: build/precip-sae-VERSION.zip.")] = None,
) -> None:
    """Write one zip of the last commit: sources, all that the stages made, and a description for machines."""
    from precip_sae.paths import locate
    from precip_sae.publication.archive import write_archive

    target = write_archive(locate(), out)
    size = target.stat().st_size / 1e6
    typer.echo(f"{target}: {size:.0f} MB; unpacked, `precip-sae verify --quick` says whether it is whole.")


@app.command()
def journal() -> None:
    """Write build/journal: the manuscript as LaTeX with its figures, and as a Word file, for a submission."""
    from precip_sae.paths import locate
    from precip_sae.publication.journal import write_journal

    folder = write_journal(locate())
    typer.echo(f"{folder}: the submission; {folder.name}.zip beside it holds the same.")


@app.command()
def readme() -> None:
    """Write the ledger of claims into README.md, between its marks."""
    from precip_sae.manuscript.readme import update
    from precip_sae.paths import locate

    typer.echo(f"{update(locate())}: the ledger is that of paper/claims.json.")


@app.command()
def inspector(
    out: Annotated[Path, typer.Option(help="The page to write, for example inspector.html.")],
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Network (.json, .onnx, ...) or folder models/TASK/mlp; repeatable. Default: the project's."),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Records to try the models on.")] = None,
    response: Annotated[str | None, typer.Option(help="Column of what was observed; default: the model's own.")] = None,
) -> None:
    """Make the Inspector's page for models of your own: one HTML file that needs no server."""
    from precip_sae.files import write_text

    if model:
        from precip_sae.inspector.own import own_page

        html = own_page(model, table, response)
    else:
        from precip_sae.inspector.study import project_page
        from precip_sae.paths import locate

        html = project_page(locate())
    write_text(out, html)
    typer.echo(f"{out}: {len(html.encode()) / 1e6:.1f} MB, opened by a double-click.")


@app.command()
def smoke(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]) -> None:
    """Make the whole paper from little data in a folder of its own."""
    from precip_sae.paths import locate
    from precip_sae.pipeline.smoke import smoke as small_paper

    with Bar("Simulating") as bar:
        paths = small_paper(locate(), folder, bar.advance)
    typer.echo(f"{paths.paper / 'manuscript.pdf'}: the whole paper, from little data.")


@app.command()
def explain(
    model: Annotated[Path, typer.Argument(help="A network's file or folder, or a layer's activations (.npy, ...).")],
    table: Annotated[Path, typer.Argument(help="The table of inputs: CSV, parquet, netCDF, ...")],
    out: Annotated[Path, typer.Option(help="Folder for the report, figures and tables.")],
    layer: Annotated[int | None, typer.Option(help="Hidden layer, from 1; default: the last.")] = None,
    seeds: Annotated[int, typer.Option(help="SAEs to fit.", min=1)] = 5,
    latents: Annotated[int | None, typer.Option(help="Latents of each; default: twice the units.", min=1)] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows; default: 75, or 10 if wide.", min=1)] = None,
    columns: Annotated[str | None, typer.Option(help="Columns that are the inputs, separated by commas.")] = None,
) -> None:
    """Fit SAEs on a layer of a trained network of yours, and report what they show."""
    from precip_sae.explanation.explain import explain as explained
    from precip_sae.explanation.tables import inputs_of

    inputs = inputs_of(model, table, columns.split(",") if columns else None)
    found = explained(model, inputs, layer, seeds, latents=latents, epochs=epochs)
    for note in found.source.notes:
        typer.echo(note)
    typer.echo(f"{found.save(out) / 'report.pdf'}: the report; figures and tables lie beside it.")


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A network's file, or a folder such as models/classifier/mlp.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    format: Annotated[str, typer.Option(help="inspector (the study's page), onnx or safetensors.")] = "inspector",
    seed: Annotated[int | None, typer.Option(help="Which network of a folder; default: the first.")] = None,
) -> None:
    """Write a network for the study's page, for ONNX runtimes or as a PyTorch state_dict."""
    from precip_sae.models.exchange.write import export_network

    network = export_network(model, out, format, seed)
    typer.echo(f"{out}: {' → '.join(map(str, network.sizes))} units, {format}.")


@task_app.command("run")
def task_run(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The keys of one section below `tasks`.")],
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")],
    table: Annotated[
        Path | None, typer.Option(help="The table, a folder or a quoted pattern; default: the file's data.table.")
    ] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="Few seeds and epochs: a first look.")] = False,
) -> None:
    """Train, fit, interpret and report one task of your own, outside the paper and from any folder."""
    from precip_sae.paths import shipped
    from precip_sae.pipeline.task_folder import FOLDS, run_task

    run_task(file, out, shipped(), smoke, typer.echo, table)
    report = out / "paper" / "reports" / f"{file.stem}.pdf"
    led = out / FOLDS if (out / FOLDS).is_dir() else out / "paper" / "supplement"
    typer.echo(f"{report}: the report on one page; what led to it is in {led}.")


@table_app.command("check")
def table_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The table; a folder or a quoted pattern of files.")],
    task: Annotated[str, typer.Option(help="A section below `tasks` in params.yaml, or a task file ending in .yaml.")],
) -> None:
    """Say what a task would use of a table, which rows are lost and why, and what looks wrong."""
    from precip_sae.pipeline.task_folder import task_settings
    from precip_sae.table_check import check as checked
    from precip_sae.table_check import shown

    settings, subsets = task_settings(task)
    with Bar("Reading") as bar:
        report = checked(file, settings.data, subsets, bar.advance)
    for piece in shown(report, str(file), settings.data.responses):
        console().print(piece)
    if report.refusal:
        raise report.refusal


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and answers whatever goes wrong with one sentence on stderr.

    Args:
        arguments: instead of the process's own.

    Returns:
        The exit status: 0, 1 for a sentence, 2 for a misused command line, 130 if interrupted.
    """
    earlier = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, terminated)
    try:
        app(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if code == 130:
            say("Interrupted; run the same command again to continue.")
        return code
    except PaperError as error:
        say(str(error))
    except OSError as error:
        say(os_sentence(error))
    except Exception as error:
        say(defect_sentence(error))
    finally:
        signal.signal(signal.SIGTERM, earlier)
    return 1


if __name__ == "__main__":
    sys.exit(main())
