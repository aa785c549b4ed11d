"""The pages that teach: their programs run in order, and print what stands under them."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kairos import Timeseries

DOCS = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
APART = {"howto/frameworks.md": 4, "howto/gevent.md": 1}  # each program a process of its own
PAGES = [
    "tutorial.md",
    "how-it-works.md",
    *sorted(p.relative_to(DOCS).as_posix() for p in DOCS.glob("howto/*.md")),
]


def programs(page):
    """Yield each program of a page and what it prints: the text block right under it, else nothing."""
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))
    for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "python":
            yield text, answer if following == "text" else ""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in APART])
def test_the_programs_of_a_page_print_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, ran = {"__name__": "page"}, 0
    for text, answer in programs(page):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(text, page, "exec"), namespace)
        assert output.getvalue() == answer
        ran += bool(answer)
    assert ran


def program_that_copies():
    """Return what the page on clusters defines."""
    program = next(text for text, _ in programs("howto/cluster.md")).partition("\nwith Timeseries(OLD")[0]
    page = {}
    exec(program, page)
    return page


def test_the_program_that_copies_keeps_a_reading_of_zero_and_gives_each_side_its_options(tmp_path):
    page, old, new = program_that_copies(), "memory://page-zero", f"sqlite:///{tmp_path}/new.sqlite"
    one = {"type": "gauge", "intervals": page["INTERVALS"], "clock": lambda: 90_000}
    with Timeseries(old, **one) as source, Timeseries(new, **one, table_name="zero") as target:
        source.insert("home", [3, 0], timestamp=90_000)
        page["copy"](
            "gauge", page["INTERVALS"], old, new, of_new={"table_name": "zero"}, clock=lambda: 90_000
        )
        assert target.get("home", "minute") == source.get("home", "minute") == {90_000: 0}


def test_the_program_that_copies_copies_each_kind_from_a_server_to_a_cluster(engine):
    """Run the page's program with the URLs of Redis in place of those of SQLite."""
    page = program_that_copies()
    old, new = engine("redis").url, engine("redis-cluster").url
    made = {
        "count": [3],
        "series": ["a", "b"],
        "histogram": ["a", "a", "b"],
        "gauge": ["a"],
        "set": ["a", "b"],
    }
    for kind, values in made.items():
        one = {
            "type": kind,
            "intervals": page["INTERVALS"],
            "prefix": f"page-{kind}",
            "clock": lambda: 90_000,
        }
        with Timeseries(old, **one) as source, Timeseries(new, **one) as target:
            source.bulk_insert({second: {"home": values} for second in (60, 86_400, 90_000)})
            page["copy"](kind, page["INTERVALS"], old, new, prefix=one["prefix"], clock=one["clock"])
            for interval in page["INTERVALS"]:
                assert list(target.iterate("home", interval)) == list(source.iterate("home", interval))
            assert target.list() == source.list() == ["home"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "number"), [(page, n) for page, count in APART.items() for n in range(count)]
)
def test_each_program_of_a_page_prints_what_it_shows_in_a_process_of_its_own(page, number, tmp_path):
    found = list(programs(page))
    assert len(found) == APART[page]
    text, answer = found[number]
    command = [sys.executable, "-c", text]  # the frameworks' own warnings are not ours
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.returncode) == (answer, 0), done.stderr
